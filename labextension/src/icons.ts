import { LabIcon } from '@jupyterlab/ui-components';

import type { DeploymentState, JobState, WorkerState } from './tokens';

function drawn(name: string, shapes: string): LabIcon {
  return new LabIcon({
    name: `byzer-lab:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">${shapes}</svg>`
  });
}

function outlined(name: string, shapes: string): LabIcon {
  return drawn(
    name,
    `<g fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${shapes}</g>`
  );
}

/** The sidebar's tab: workers around one cluster. */
export const byzerLabIcon = drawn(
  'logo',
  `<g class="jp-icon3" fill="#616161">
    <path d="M8 1.2 13.9 4.6v6.8L8 14.8 2.1 11.4V4.6zm0 1.7L3.6 5.4v5.2L8 13.1l4.4-2.5V5.4z"/>
    <circle cx="8" cy="5.6" r="1.4"/><circle cx="5.7" cy="9.5" r="1.4"/><circle cx="10.3" cy="9.5" r="1.4"/>
  </g>`
);

export const scaleIcon = outlined(
  'scale',
  '<path d="M5 13V3M2.5 5.5 5 3l2.5 2.5M11 3v10M8.5 10.5 11 13l2.5-2.5"/>'
);

const readyIcon = outlined(
  'ready',
  '<circle cx="8" cy="8" r="6"/><path d="m5.4 8.2 1.8 1.8 3.4-3.8"/>'
);
const queuedIcon = outlined(
  'queued',
  '<circle cx="8" cy="8" r="6"/><path d="M8 4.8V8l2.2 1.6"/>'
);
const loadingIcon = outlined(
  'loading',
  '<path d="M8 2a6 6 0 1 1-6 6" /><path d="M8 5v4M6.2 7.4 8 9.2l1.8-1.8"/>'
);
const failedIcon = outlined(
  'failed',
  '<path d="M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5z"/><path d="m6 6 4 4M10 6l-4 4"/>'
);
const drainingIcon = outlined(
  'draining',
  '<circle cx="8" cy="8" r="6"/><path d="M6.4 6v4M9.6 6v4"/>'
);
const runningIcon = outlined(
  'running',
  '<circle cx="8" cy="8" r="6"/><path d="M6.8 5.6 10.4 8l-3.6 2.4z"/>'
);
const stoppedIcon = outlined(
  'stopped',
  '<circle cx="8" cy="8" r="6"/><path d="M6.2 6.2h3.6v3.6H6.2z"/>'
);
const cancelledIcon = outlined(
  'cancelled',
  '<circle cx="8" cy="8" r="6"/><path d="m4.2 11.8 7.6-7.6"/>'
);
/** What is deployed of a job's result goes up to the workers. */
export const deployIcon = outlined(
  'deploy',
  '<path d="M8 10V2.5M5 5.2 8 2.2l3 3M2.5 9.5v4h11v-4"/>'
);
export const warningIcon = outlined(
  'warning',
  '<path d="M8 2.2 14.4 13.4H1.6z"/><path d="M8 6.4v3M8 11.4v.1"/>'
);
export const noClusterIcon = outlined(
  'no-cluster',
  '<circle cx="8" cy="8" r="6" stroke-dasharray="2.2 2.5"/>'
);

/** States differ by shape as well as by colour. */
export const STATE_ICONS: Record<
  DeploymentState | WorkerState | JobState,
  LabIcon
> = {
  queued: queuedIcon,
  starting: queuedIcon,
  loading: loadingIcon,
  ready: readyIcon,
  failed: failedIcon,
  draining: drainingIcon,
  preparing: loadingIcon,
  running: runningIcon,
  stopping: drainingIcon,
  completed: readyIcon,
  stopped: stoppedIcon,
  cancelled: cancelledIcon
};
