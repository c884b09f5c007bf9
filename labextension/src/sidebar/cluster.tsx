import { refreshIcon, runIcon, stopIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';

import { CommandIDs } from '../commands';
import { STATE_ICONS, noClusterIcon, warningIcon } from '../icons';
import type { Phase } from '../state';
import type { ICluster } from '../tokens';
import { IconButton } from './atoms';
import { useSidebar } from './context';

const ICONS: Record<Phase, LabIcon> = {
  asking: STATE_ICONS.queued,
  missing: warningIcon,
  unauthorized: warningIcon,
  none: noClusterIcon,
  starting: STATE_ICONS.loading,
  stopping: STATE_ICONS.draining,
  empty: STATE_ICONS.ready,
  running: STATE_ICONS.ready,
  lost: warningIcon
};

function phaseWord(phase: Phase, trans: TranslationBundle): string {
  switch (phase) {
    case 'asking':
      return trans.__('Looking for the cluster…');
    case 'missing':
      return trans.__('Server extension missing');
    case 'unauthorized':
      return trans.__('Not allowed');
    case 'none':
      return trans.__('No cluster');
    case 'starting':
      return trans.__('Cluster starting…');
    case 'stopping':
      return trans.__('Cluster stopping…');
    case 'empty':
    case 'running':
      return trans.__('Cluster running');
    case 'lost':
      return trans.__('Cluster lost');
  }
}

/** The head of the sidebar: how the cluster is, and its switch. */
export function ClusterHeader(props: {
  phase: Phase;
  cluster: ICluster | null;
}): JSX.Element {
  const { phase, cluster } = props;
  const { trans, run, readOnly } = useSidebar();
  const Icon = ICONS[phase];
  const isRunning = phase === 'running' || phase === 'empty';
  return (
    <header className="jp-ByzerLab-header" data-phase={phase}>
      <div className="jp-ByzerLab-headline">
        <span className="jp-ByzerLab-clusterState" role="status">
          <Icon.react tag="span" aria-hidden="true" />
          {phaseWord(phase, trans)}
        </span>
        <IconButton
          icon={refreshIcon}
          label={trans.__('Refresh')}
          onClick={() => run(CommandIDs.refresh)}
        />
        {!readOnly && isRunning && (
          <IconButton
            icon={stopIcon}
            label={trans.__('Stop the cluster…')}
            onClick={() => run(CommandIDs.stopCluster)}
          />
        )}
        {!readOnly && phase === 'none' && (
          <IconButton
            icon={runIcon}
            label={trans.__('Start a cluster')}
            onClick={() => run(CommandIDs.startCluster)}
          />
        )}
      </div>
      {cluster && <ClusterFacts cluster={cluster} />}
      {readOnly && (
        <p className="jp-ByzerLab-clusterFacts">
          {trans.__('Read-only: this server changes nothing.')}
        </p>
      )}
    </header>
  );
}

function ClusterFacts(props: { cluster: ICluster }): JSX.Element {
  const { address, nodes, cpus, gpus } = props.cluster;
  const { trans } = useSidebar();
  return (
    <p className="jp-ByzerLab-clusterFacts">
      <span title={trans.__('Address of the Ray head')}>{address}</span>
      <span>{trans._n('%1 node', '%1 nodes', nodes)}</span>
      <span title={trans.__('Ray CPUs reserved by workers')}>
        {trans.__('CPU %1/%2', cpus.used, cpus.total)}
      </span>
      {gpus.total > 0 && (
        <span title={trans.__('Ray GPUs reserved by workers')}>
          {trans.__('GPU %1/%2', gpus.used, gpus.total)}
        </span>
      )}
    </p>
  );
}
