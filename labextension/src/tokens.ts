import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

/*
 * The wire types. They mirror `byzer_lab/records.py`, `byzer_lab/jobs.py` and the section "Jupyter server extension" of
 * `docs/http-api.md`; names stay in snake case so that one search finds both sides.
 */

/** An error as every server of Byzer Lab writes it. */
export interface IWireError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

export type DeploymentState =
  'queued' | 'starting' | 'loading' | 'ready' | 'failed' | 'draining';

export type WorkerState =
  'queued' | 'starting' | 'loading' | 'ready' | 'draining';

/** What was asked for. The wire leaves out fields that have their default. */
export interface IDeploymentSpec {
  name: string;
  model_path?: string;
  pretrained_model_type?: string;
  backend?: string;
  workers?: number;
  min_workers?: number;
  max_workers?: number | null;
  load_balance?: string;
  generation?: Record<string, unknown>;
}

/** What a worker is doing now. */
export interface ILoad {
  in_flight: number;
  queued: number;
  tokens_per_second: number;
  requests: number;
  memory_mb: number;
  /** What a request is at that tells its progress, such as drawing. */
  phase?: string;
  /** Share of it, 0 to 1; null while no request tells. */
  progress?: number | null;
}

/** One worker. */
export interface IWorker {
  id: string;
  index: number;
  state: WorkerState;
  phase: string;
  progress: number | null;
  node: string;
  pid: number;
  load: ILoad;
}

/** One deployment. */
export interface IDeployment {
  spec: IDeploymentSpec;
  state: DeploymentState;
  error: IWireError | null;
  meta: Record<string, unknown>;
  workers: IWorker[];
  replaced: number;
  operation: string | null;
  created_at: number;
  rev: number;
}

/** A change under way or ended. */
export interface IOperation {
  id: string;
  kind: 'deploy' | 'scale' | 'undeploy';
  deployment: string;
  state: 'running' | 'succeeded' | 'failed' | 'cancelled';
  phase: string;
  progress: number | null;
  error: IWireError | null;
  finished_at: number | null;
  rev: number;
}

export type JobState =
  | 'queued'
  | 'preparing'
  | 'running'
  | 'stopping'
  | 'completed'
  | 'stopped'
  | 'failed'
  | 'cancelled';

/** What was asked of a job. The wire leaves out fields that have their default. */
export interface IJobSpec {
  name: string;
  /** Such as `sft`, or `module:function`. */
  kind: string;
  model_path: string;
  model_type?: string;
  folder?: string;
  data_path?: string;
  workers?: number;
  parameters?: Record<string, unknown>;
}

/** One point of a job's curves; a figure that was not measured there is missing. */
export interface IJobPoint {
  step: number;
  epoch?: number;
  loss?: number;
  eval_loss?: number;
  learning_rate?: number;
  grad_norm?: number;
  tokens_per_second?: number;
}

/** A state of the training that it can go on from. */
export interface ICheckpoint {
  step: number;
  path: string;
}

/** One training job. */
export interface IJob {
  id: string;
  spec: IJobSpec;
  state: JobState;
  phase: string;
  progress: number | null;
  step: number;
  total_steps: number;
  epoch: number;
  tokens: number;
  memory_mb: number;
  gpu_memory_mb: number;
  eta_s: number | null;
  /** The newest of each figure. */
  point: IJobPoint;
  checkpoints: ICheckpoint[];
  artefacts: Record<string, string>;
  warnings: string[];
  node: string;
  pid: number;
  attempt: number;
  result: Record<string, unknown>;
  error: IWireError | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  rev: number;
}

/** A job as it travels: without the fields that have their default. */
export type IWireJob = Pick<IJob, 'id' | 'spec'> & Partial<IJob>;

/** An amount of one resource: what there is and what is reserved. */
export interface IResources {
  total: number;
  used: number;
}

/** The Ray cluster. */
export interface ICluster {
  address: string;
  nodes: number;
  cpus: IResources;
  gpus: IResources;
}

/** The cluster's state, or what changed in it since a revision. */
export interface ISnapshot {
  epoch: string;
  rev: number;
  full: boolean;
  cluster: ICluster;
  deployments: IDeployment[];
  removed: string[];
  operations: IOperation[];
  jobs: IWireJob[];
  removed_jobs: string[];
}

/** How the Jupyter server stands to the cluster. */
export interface IConnection {
  status: 'none' | 'starting' | 'connected' | 'stopping' | 'lost';
  message: string;
}

/** Answer of `GET state`. */
export interface IStateReply {
  connection: IConnection;
  snapshot: ISnapshot | null;
  age_s: number | null;
}

/** Answer of `GET info`. */
export interface IInfo {
  version: string;
  read_only: boolean;
}

/** A line that a worker wrote. */
export interface ILogLine {
  seq: number;
  time: number;
  worker: string;
  text: string;
}

/** Answer of `GET deployments/NAME/logs` and `GET jobs/NAME/log`. */
export interface ILogPage {
  lines: ILogLine[];
  next: number;
}

/** Answer of `GET jobs/NAME/points`. */
export interface IPointsPage {
  points: IJobPoint[];
}

/** Why a request to the Jupyter server came to nothing. */
export interface IRequestProblem {
  kind: 'missing' | 'unauthorized' | 'network' | 'refused' | 'server';
  message: string;
}

/** Everything that the sidebar shows. Immutable: a change makes a new one, unchanged parts stay. */
export interface IClusterState {
  /** `null` until the first answer. */
  connection: IConnection | null;
  /** The last request's failure; `null` when it went well. */
  problem: IRequestProblem | null;
  readOnly: boolean;
  epoch: string;
  rev: number;
  cluster: ICluster | null;
  /** In the order in which they were deployed. */
  deployments: readonly IDeployment[];
  operations: ReadonlyMap<string, IOperation>;
  /** The newest first. */
  jobs: readonly IJob[];
  /** When the gateway last confirmed all this, in milliseconds since the epoch. */
  confirmedAt: number | null;
}

/** The cluster as this page knows it. */
export interface IClusterModel {
  readonly state: IClusterState;
  readonly stateChanged: ISignal<IClusterModel, IClusterState>;
  /** Emitted once for every operation that is seen to fail. */
  readonly operationFailed: ISignal<IClusterModel, IOperation>;
  /** Ask the server for what changed. */
  pull(): Promise<void>;
  /** Whether somebody looks at the state now; while nobody does, the server is not asked. */
  setWatched(watched: boolean): void;
}

export const IClusterModel = new Token<IClusterModel>(
  'byzer-lab:IClusterModel',
  'The state of the Byzer Lab cluster: deployments, their workers, operations and jobs.'
);
