import type {
  IClusterState,
  IDeployment,
  IJob,
  IOperation,
  ISnapshot,
  IStateReply,
  IWorker
} from '../tokens';
import { wholeJob } from '../jobs';
import { INITIAL_STATE } from '../state';

/** A worker that is ready, unless told otherwise. */
export function worker(id: string, fields: Partial<IWorker> = {}): IWorker {
  return {
    id,
    index: 0,
    state: 'ready',
    phase: '',
    progress: null,
    node: '127.0.0.1',
    pid: 4001,
    load: {
      in_flight: 0,
      queued: 0,
      tokens_per_second: 0,
      requests: 0,
      memory_mb: 512
    },
    ...fields
  };
}

/** A deployment that is ready, unless told otherwise. */
export function deployment(
  name: string,
  fields: Partial<IDeployment> = {}
): IDeployment {
  return {
    spec: { name, model_path: 'bundled' },
    state: 'ready',
    error: null,
    meta: {},
    workers: [worker('w1')],
    replaced: 0,
    operation: null,
    created_at: 0,
    rev: 1,
    ...fields
  };
}

/** A deploy under way, unless told otherwise. */
export function operation(
  id: string,
  fields: Partial<IOperation> = {}
): IOperation {
  return {
    id,
    kind: 'deploy',
    deployment: 'chat',
    state: 'running',
    phase: '',
    progress: null,
    error: null,
    finished_at: null,
    rev: 1,
    ...fields
  };
}

/** A job that trains, unless told otherwise. */
export function job(name: string, fields: Partial<IJob> = {}): IJob {
  return wholeJob({
    id: `job-${name}`,
    spec: { name, kind: 'sft', model_path: 'bundled' },
    state: 'running',
    step: 30,
    total_steps: 120,
    point: { step: 30, loss: 0.8312 },
    rev: 1,
    ...fields
  });
}

/** An answer of a server that is connected. */
export function reply(
  snapshot: Partial<ISnapshot> | null,
  fields: Partial<IStateReply> = {}
): IStateReply {
  return {
    connection: { status: 'connected', message: '' },
    snapshot: snapshot && {
      epoch: 'e',
      rev: 1,
      full: true,
      cluster: {
        address: '127.0.0.1:6379',
        nodes: 1,
        cpus: { total: 8, used: 2 },
        gpus: { total: 0, used: 0 }
      },
      deployments: [],
      removed: [],
      operations: [],
      jobs: [],
      removed_jobs: [],
      ...snapshot
    },
    age_s: snapshot && 0,
    ...fields
  };
}

/** A state in which the server is connected. */
export function connected(fields: Partial<IClusterState> = {}): IClusterState {
  return {
    ...INITIAL_STATE,
    connection: { status: 'connected', message: '' },
    epoch: 'e',
    rev: 1,
    ...fields
  };
}
