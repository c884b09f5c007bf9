import { copyIcon, type LabIcon } from '@jupyterlab/ui-components';
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactNode } from 'react';

import { STATE_ICONS } from '../icons';
import type { DeploymentState, JobState, WorkerState } from '../tokens';
import { useSidebar } from './context';

export type State = DeploymentState | WorkerState | JobState;

/** A button that is only an icon; its label is what a screen reader says. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  tabIndex?: number;
  onClick: () => void;
}): JSX.Element {
  const { icon, label, tabIndex, onClick } = props;
  return (
    <button
      type="button"
      className="jp-ByzerLab-iconButton"
      aria-label={label}
      title={label}
      tabIndex={tabIndex}
      onClick={onClick}
    >
      <icon.react tag="span" aria-hidden="true" />
    </button>
  );
}

/** A button with words. */
export function TextButton(props: {
  children: ReactNode;
  accent?: boolean;
  tabIndex?: number;
  onClick: () => void;
}): JSX.Element {
  const { children, accent, tabIndex, onClick } = props;
  return (
    <button
      type="button"
      className={`jp-ByzerLab-button${accent ? ' jp-mod-accept' : ''}`}
      tabIndex={tabIndex}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** Copies a text; it may be too long to show in full. */
export function CopyButton(props: {
  text: string;
  label: string;
}): JSX.Element {
  const { text, label } = props;
  return (
    <IconButton
      icon={copyIcon}
      label={label}
      onClick={() => Clipboard.copyToSystem(text)}
    />
  );
}

/** The state's word in the user's language. */
export function stateWord(state: State, trans: TranslationBundle): string {
  switch (state) {
    case 'queued':
      return trans.__('Queued');
    case 'starting':
      return trans.__('Starting');
    case 'loading':
      return trans.__('Loading');
    case 'ready':
      return trans.__('Ready');
    case 'failed':
      return trans.__('Failed');
    case 'draining':
      return trans.__('Draining');
    case 'preparing':
      return trans.__('Preparing');
    case 'running':
      return trans.__('Running');
    case 'stopping':
      return trans.__('Stopping');
    case 'completed':
      return trans.__('Completed');
    case 'stopped':
      return trans.__('Stopped');
    case 'cancelled':
      return trans.__('Cancelled');
  }
}

/** A state as icon and word. */
export function StateBadge(props: { state: State }): JSX.Element {
  const { trans } = useSidebar();
  const Icon = STATE_ICONS[props.state];
  return (
    <span className="jp-ByzerLab-state" data-state={props.state}>
      <Icon.react tag="span" aria-hidden="true" />
      {stateWord(props.state, trans)}
    </span>
  );
}

/** A bar of how far something is; it moves to and fro where that can't be known. */
export function ProgressBar(props: {
  value: number | null;
  label: string;
}): JSX.Element {
  const { value, label } = props;
  return (
    <div
      className="jp-ByzerLab-progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(value * 100)}
    >
      <div style={value === null ? undefined : { width: `${value * 100}%` }} />
    </div>
  );
}

/** Any value of a model or a job as a row of a definition list. */
export function Fact(props: { name: string; value: string }): JSX.Element {
  const { name, value } = props;
  const { trans } = useSidebar();
  return (
    <div className="jp-ByzerLab-fact">
      <dt title={name}>{name}</dt>
      <dd>
        <span title={value}>{value}</span>
        <CopyButton text={value} label={trans.__('Copy %1', name)} />
      </dd>
    </div>
  );
}

/** An error in full. */
export function ErrorText(props: { message: string }): JSX.Element {
  const { message } = props;
  const { trans } = useSidebar();
  return (
    <div className="jp-ByzerLab-code">
      <pre>{message}</pre>
      <CopyButton text={message} label={trans.__('Copy the error')} />
    </div>
  );
}
