import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { useEffect, useMemo, useRef, useState } from 'react';

import { phaseOf, type Phase } from '../state';
import type { IClusterModel, IClusterState, IDeployment } from '../tokens';
import { stateWord } from './atoms';
import { ClusterHeader } from './cluster';
import { SidebarContext, useClusterState, useSidebar } from './context';
import { DeploymentList } from './deployments';
import { Notice } from './notice';
import {
  MissingExtension,
  NoCluster,
  NothingDeployed,
  Passage,
  Unauthorized
} from './pictures';

/** The whole sidebar. */
export function Sidebar(props: {
  model: IClusterModel;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, commands, trans } = props;
  const state = useClusterState(model);
  const { readOnly } = state;
  const context = useMemo(
    () => ({ commands, trans, readOnly }),
    [commands, trans, readOnly]
  );
  const phase = phaseOf(state);
  return (
    <SidebarContext.Provider value={context}>
      <ClusterHeader phase={phase} cluster={state.cluster} />
      <Notice phase={phase} state={state} />
      <div className="jp-ByzerLab-body" data-phase={phase}>
        <Body phase={phase} state={state} />
      </div>
      <Announcer deployments={state.deployments} />
    </SidebarContext.Provider>
  );
}

function Body(props: {
  phase: Phase;
  state: IClusterState;
}): JSX.Element | null {
  const { trans } = useSidebar();
  switch (props.phase) {
    case 'missing':
      return <MissingExtension />;
    case 'unauthorized':
      return <Unauthorized />;
    case 'none':
      return <NoCluster />;
    case 'asking':
      return <Passage label={trans.__('Looking for the cluster…')} />;
    case 'starting':
      return <Passage label={trans.__('Starting Ray and the registry…')} />;
    case 'stopping':
      return <Passage label={trans.__('Ending every process of it…')} />;
    case 'empty':
      return <NothingDeployed />;
    case 'running':
    case 'lost':
      return props.state.deployments.length > 0 ? (
        <DeploymentList state={props.state} />
      ) : null;
  }
}

/** Tells a screen reader when a deployment's state changes, and nothing else. */
function Announcer(props: {
  deployments: readonly IDeployment[];
}): JSX.Element {
  const { deployments } = props;
  const { trans } = useSidebar();
  const known = useRef(new Map<string, string>());
  const [news, setNews] = useState('');
  useEffect(() => {
    const changed = deployments.filter(({ spec, state }) => {
      const before = known.current.get(spec.name);
      return before !== undefined && before !== state;
    });
    known.current = new Map(
      deployments.map(({ spec, state }) => [spec.name, state])
    );
    if (changed.length > 0) {
      setNews(
        changed
          .map(({ spec, state }) =>
            trans.__('%1: %2', spec.name, stateWord(state, trans))
          )
          .join('. ')
      );
    }
  }, [deployments, trans]);
  return (
    <div className="jp-ByzerLab-announcer" aria-live="polite">
      {news}
    </div>
  );
}
