import { copyIcon, type LabIcon } from '@jupyterlab/ui-components';
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReactNode } from 'react';

import { STATE_ICONS } from '../icons';
import type { DeploymentState, WorkerState } from '../tokens';
import { useSidebar } from './context';

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
export function stateWord(
  state: DeploymentState | WorkerState,
  trans: TranslationBundle
): string {
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
  }
}

/** A state as icon and word. */
export function StateBadge(props: {
  state: DeploymentState | WorkerState;
}): JSX.Element {
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
