import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { useEffect, useMemo, useRef, useState } from 'react';

import { phaseOf, type Phase } from '../state';
import type { JobCurves } from '../curves';
import type { IClusterModel, IClusterState } from '../tokens';
import { stateWord } from './atoms';
import { ClusterHeader } from './cluster';
import { SidebarContext, useClusterState, useSidebar } from './context';
import { DeploymentList } from './deployments';
import { JobList } from './jobs';
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
  curves: JobCurves;
}): JSX.Element {
  const { model, commands, trans, curves } = props;
  const state = useClusterState(model);
  const { readOnly } = state;
  const context = useMemo(
    () => ({ commands, trans, readOnly, curves }),
    [commands, trans, readOnly, curves]
  );
  const phase = phaseOf(state);
  return (
    <SidebarContext.Provider value={context}>
      <ClusterHeader phase={phase} cluster={state.cluster} />
      <Notice phase={phase} state={state} />
      <div className="jp-ByzerLab-body" data-phase={phase}>
        <Body phase={phase} state={state} />
      </div>
      <Announcer state={state} />
    </SidebarContext.Provider>
  );
}

function Body(props: {
  phase: Phase;
  state: IClusterState;
}): JSX.Element | null {
  const { trans } = useSidebar();
  const { deployments, jobs } = props.state;
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
      return (
        <>
          {deployments.length > 0 && <DeploymentList state={props.state} />}
          <JobList jobs={jobs} />
        </>
      );
  }
}

/** Tells a screen reader when the state of a deployment or a job changes, and nothing else. */
function Announcer(props: { state: IClusterState }): JSX.Element {
  const { deployments, jobs } = props.state;
  const { trans } = useSidebar();
  const known = useRef(new Map<string, string>());
  const [news, setNews] = useState('');
  useEffect(() => {
    const all = [
      ...deployments.map(({ spec, state }) => ({
        key: spec.name,
        spec,
        state
      })),
      ...jobs.map(({ id, spec, state }) => ({ key: `job ${id}`, spec, state }))
    ];
    const changed = all.filter(({ key, state }) => {
      const before = known.current.get(key);
      return before !== undefined && before !== state;
    });
    known.current = new Map(all.map(({ key, state }) => [key, state]));
    if (changed.length > 0) {
      setNews(
        changed
          .map(({ spec, state }) =>
            trans.__('%1: %2', spec.name, stateWord(state, trans))
          )
          .join('. ')
      );
    }
  }, [deployments, jobs, trans]);
  return (
    <div className="jp-ByzerLab-announcer" aria-live="polite">
      {news}
    </div>
  );
}
