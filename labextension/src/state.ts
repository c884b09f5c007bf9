import { jobsAfter } from './jobs';
import type {
  IClusterState,
  IDeployment,
  IOperation,
  ISnapshot,
  IStateReply
} from './tokens';

/** Before the first answer. */
export const INITIAL_STATE: IClusterState = {
  connection: null,
  problem: null,
  readOnly: false,
  epoch: '',
  rev: 0,
  cluster: null,
  deployments: [],
  operations: new Map(),
  jobs: [],
  confirmedAt: null
};

const NOTHING_KNOWN = {
  epoch: '',
  rev: 0,
  cluster: null,
  deployments: [],
  operations: new Map(),
  jobs: [],
  confirmedAt: null
};

/** The state after an answer of the server. */
export function applyReply(
  state: IClusterState,
  reply: IStateReply,
  now: number
): IClusterState {
  const { connection, snapshot, age_s } = reply;
  const met = { ...state, connection, problem: null };
  if (!snapshot) {
    return { ...met, ...NOTHING_KNOWN };
  }
  return {
    ...met,
    ...applySnapshot(state, snapshot),
    confirmedAt: now - (age_s ?? 0) * 1000
  };
}

function applySnapshot(
  state: IClusterState,
  snapshot: ISnapshot
): Partial<IClusterState> {
  const { epoch, rev, cluster, full } = snapshot;
  const kept = full ? [] : state.deployments;
  const gone = new Set([
    ...snapshot.removed,
    ...snapshot.deployments.map(({ spec }) => spec.name)
  ]);
  const changed = snapshot.deployments.length + snapshot.removed.length > 0;
  return {
    epoch,
    rev,
    cluster,
    deployments:
      full || changed
        ? [
            ...kept.filter(({ spec }) => !gone.has(spec.name)),
            ...snapshot.deployments
          ].sort(byAge)
        : state.deployments,
    operations: new Map([
      ...(full ? [] : state.operations),
      ...snapshot.operations.map(
        operation => [operation.id, operation] as [string, IOperation]
      )
    ]),
    jobs: jobsAfter(full ? [] : state.jobs, snapshot)
  };
}

function byAge(one: IDeployment, other: IDeployment): number {
  return (
    one.created_at - other.created_at ||
    one.spec.name.localeCompare(other.spec.name)
  );
}

/** Operations that ran before and have failed now. */
export function newlyFailed(
  before: IClusterState,
  after: IClusterState
): IOperation[] {
  return [...after.operations.values()].filter(
    ({ id, state }) =>
      state === 'failed' && before.operations.get(id)?.state === 'running'
  );
}

/** The one picture that the sidebar shows. */
export type Phase =
  | 'asking'
  | 'missing'
  | 'unauthorized'
  | 'none'
  | 'starting'
  | 'stopping'
  | 'empty'
  | 'running'
  | 'lost';

/** Which picture fits the state. */
export function phaseOf(state: IClusterState): Phase {
  const { connection, problem, deployments, jobs } = state;
  if (problem?.kind === 'missing' || problem?.kind === 'unauthorized') {
    return problem.kind;
  }
  if (problem && problem.kind !== 'refused') {
    return 'lost';
  }
  if (!connection) {
    return 'asking';
  }
  if (connection.status === 'connected') {
    return deployments.length + jobs.length > 0 ? 'running' : 'empty';
  }
  return connection.status;
}

/** Sum of a load figure over a deployment's workers. */
export function total(
  deployment: IDeployment,
  figure: 'in_flight' | 'queued' | 'tokens_per_second'
): number {
  return deployment.workers.reduce((sum, { load }) => sum + load[figure], 0);
}
