import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';

import { ROW_CLASS } from '../commands';
import { firstLine } from '../format';
import type { IWireError } from '../tokens';
import { type State, StateBadge, TextButton } from './atoms';
import { useSidebar } from './context';
import { dragCell } from './drag';
import { TOGGLE_CLASS } from './rows';

/** What the list tells each of its rows. */
export interface IRowPlace {
  expanded: boolean;
  /** Whether Tab reaches this row; arrow keys move that from row to row. */
  reachable: boolean;
  onToggle: (name: string) => void;
  onFocus: (name: string) => void;
}

export interface IRowFrameProps extends IRowPlace {
  name: string;
  state: State;
  /** How context menus tell the row: as a deployment's or a job's. */
  dataset: { 'data-name': string } | { 'data-job': string };
  /** The cell that the row becomes when it is dragged into a notebook. */
  cell: string;
  /** Beside the name. */
  mark?: ReactNode;
  /** Behind the state. */
  facts: ReactNode;
  /** Buttons at the end of the head. */
  actions: ReactNode;
  /** Below the head. */
  children: ReactNode;
}

/** A row that opens and closes: its name, a line of facts, its buttons, and what is below. */
export function RowFrame(props: IRowFrameProps): JSX.Element {
  const { name, state, cell, expanded } = props;
  const Caret = expanded ? caretDownIcon : caretRightIcon;
  return (
    <li
      className={ROW_CLASS}
      {...props.dataset}
      data-state={state}
      onFocus={() => props.onFocus(name)}
    >
      <div className="jp-ByzerLab-rowHead">
        <button
          type="button"
          className={TOGGLE_CLASS}
          aria-expanded={expanded}
          tabIndex={tabIndexOf(props)}
          onClick={() => props.onToggle(name)}
          onPointerDown={event => dragCell(event, cell)}
        >
          <span className="jp-ByzerLab-rowTitle">
            <Caret.react tag="span" aria-hidden="true" />
            <span className="jp-ByzerLab-rowName" title={name}>
              {name}
            </span>
            {props.mark}
          </span>
          <span className="jp-ByzerLab-rowFacts">
            <StateBadge state={state} />
            {props.facts}
          </span>
        </button>
        {props.actions}
      </div>
      {props.children}
    </li>
  );
}

/** Of a row's buttons. */
export function tabIndexOf(place: IRowPlace): number {
  return place.reachable ? 0 : -1;
}

/** Why something failed, and the way to its log. */
export function Failure(props: {
  error: IWireError | null;
  label: string;
  tabIndex: number;
  onLog: () => void;
}): JSX.Element {
  const { trans } = useSidebar();
  const message = props.error?.message;
  return (
    <div className="jp-ByzerLab-rowActivity jp-mod-error">
      <span title={message}>
        {firstLine(message ?? trans.__('No reason was given.'))}
      </span>
      <TextButton tabIndex={props.tabIndex} onClick={props.onLog}>
        {props.label}
      </TextButton>
    </div>
  );
}
