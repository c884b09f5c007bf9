import {
  addBelowIcon,
  caretDownIcon,
  caretRightIcon,
  deleteIcon,
  listIcon
} from '@jupyterlab/ui-components';
import { memo } from 'react';

import { promptCell } from '../cells';
import { CommandIDs, ROW_CLASS } from '../commands';
import { firstLine, formatRate } from '../format';
import { scaleIcon } from '../icons';
import { total } from '../state';
import type { IDeployment, IOperation } from '../tokens';
import { IconButton, ProgressBar, StateBadge, TextButton } from './atoms';
import { useSidebar } from './context';
import { Details } from './details';
import { dragCell } from './drag';
import { TOGGLE_CLASS } from './rows';

export interface IRowProps {
  deployment: IDeployment;
  /** The operation that is changing it now. */
  operation: IOperation | undefined;
  expanded: boolean;
  /** Whether Tab reaches this row; arrow keys move that from row to row. */
  reachable: boolean;
  onToggle: (name: string) => void;
  onFocus: (name: string) => void;
}

/** One deployment: two lines of facts, one of what it does now, and all the rest on demand. */
export const DeploymentRow = memo(function DeploymentRow(props: IRowProps) {
  const { deployment, operation, expanded, reachable } = props;
  const { trans } = useSidebar();
  const { spec, state, workers, replaced } = deployment;
  const { name, backend = 'transformers', workers: desired = 1 } = spec;
  const ready = workers.filter(worker => worker.state === 'ready').length;
  const Caret = expanded ? caretDownIcon : caretRightIcon;
  const tabIndex = reachable ? 0 : -1;
  return (
    <li
      className={ROW_CLASS}
      data-name={name}
      data-state={state}
      onFocus={() => props.onFocus(name)}
    >
      <div className="jp-ByzerLab-rowHead">
        <button
          type="button"
          className={TOGGLE_CLASS}
          aria-expanded={expanded}
          tabIndex={tabIndex}
          onClick={() => props.onToggle(name)}
          onPointerDown={event => dragCell(event, promptCell(name))}
        >
          <span className="jp-ByzerLab-rowTitle">
            <Caret.react tag="span" aria-hidden="true" />
            <span className="jp-ByzerLab-rowName" title={name}>
              {name}
            </span>
          </span>
          <span className="jp-ByzerLab-rowFacts">
            <StateBadge state={state} />
            <span>{backend}</span>
            <span title={trans.__('Workers ready, workers wanted')}>
              {trans._n('%2/%1 worker', '%2/%1 workers', desired, ready)}
            </span>
            {replaced > 0 && (
              <span
                className="jp-ByzerLab-replaced"
                title={trans.__('Workers that were lost and replaced')}
              >
                {trans.__('%1 replaced', replaced)}
              </span>
            )}
          </span>
        </button>
        <RowActions name={name} tabIndex={tabIndex} />
      </div>
      <RowActivity
        deployment={deployment}
        operation={operation}
        tabIndex={tabIndex}
      />
      {expanded && <Details deployment={deployment} />}
    </li>
  );
});

function RowActions(props: { name: string; tabIndex: number }): JSX.Element {
  const { name, tabIndex } = props;
  const { trans, run, readOnly } = useSidebar();
  const action = (icon: typeof listIcon, label: string, command: string) => (
    <IconButton
      icon={icon}
      label={label}
      tabIndex={tabIndex}
      onClick={() => run(command, { name })}
    />
  );
  return (
    <div className="jp-ByzerLab-rowActions">
      {action(
        addBelowIcon,
        trans.__('Insert a cell that uses %1', name),
        CommandIDs.insertPromptCell
      )}
      {action(listIcon, trans.__('Logs of %1', name), CommandIDs.showLogs)}
      {!readOnly && (
        <>
          {action(
            scaleIcon,
            trans.__('Scale the workers of %1…', name),
            CommandIDs.scale
          )}
          {action(
            deleteIcon,
            trans.__('Undeploy %1…', name),
            CommandIDs.undeploy
          )}
        </>
      )}
    </div>
  );
}

/**
 * The third line: the load while ready, progress while loading or drawing, the error when it
 * failed.
 */
function RowActivity(props: {
  deployment: IDeployment;
  operation: IOperation | undefined;
  tabIndex: number;
}): JSX.Element | null {
  const { deployment, operation, tabIndex } = props;
  const { trans, run, readOnly } = useSidebar();
  const { spec, state, error, workers } = deployment;
  if (state === 'failed') {
    return (
      <div className="jp-ByzerLab-rowActivity jp-mod-error">
        <span title={error?.message}>
          {firstLine(error?.message ?? trans.__('No reason was given.'))}
        </span>
        <TextButton
          tabIndex={tabIndex}
          onClick={() => run(CommandIDs.showLogs, { name: spec.name })}
        >
          {trans.__('Logs')}
        </TextButton>
      </div>
    );
  }
  if (operation?.state === 'running' && operation.kind !== 'undeploy') {
    const loading = workers.find(worker => worker.state === 'loading');
    const phase = operation.phase || loading?.phase || trans.__('waiting');
    const progress = operation.progress ?? loading?.progress ?? null;
    return (
      <div className="jp-ByzerLab-rowActivity jp-mod-progress">
        <span>
          {progress === null
            ? phase
            : trans.__('%1 %2 %', phase, Math.round(progress * 100))}
        </span>
        {!readOnly && operation.kind === 'deploy' && (
          <TextButton
            tabIndex={tabIndex}
            onClick={() =>
              run(CommandIDs.cancelOperation, { operation: operation.id })
            }
          >
            {trans.__('Cancel')}
          </TextButton>
        )}
        <ProgressBar value={progress} label={phase} />
      </div>
    );
  }
  const queued = total(deployment, 'queued');
  const working = workers.find(
    worker => (worker.load.progress ?? null) !== null
  );
  if (working) {
    const phase = working.load.phase || trans.__('working');
    const progress = working.load.progress ?? 0;
    return (
      <div className="jp-ByzerLab-rowActivity jp-mod-progress">
        <span>{trans.__('%1 %2 %', phase, Math.round(progress * 100))}</span>
        {queued > 0 && <span>{trans.__('%1 queued', queued)}</span>}
        <ProgressBar value={progress} label={phase} />
      </div>
    );
  }
  return (
    <div className="jp-ByzerLab-rowActivity jp-mod-load">
      <span>{trans.__('%1 in flight', total(deployment, 'in_flight'))}</span>
      {queued > 0 && <span>{trans.__('%1 queued', queued)}</span>}
      <span>
        {trans.__(
          '%1 tok/s',
          formatRate(total(deployment, 'tokens_per_second'))
        )}
      </span>
    </div>
  );
}
