import type { IJob, ISnapshot, IWireJob, JobState } from './tokens';

/**
 * The jobs after an answer of the server, the newest first.
 *
 * @param kept - Those known before; none where the answer tells everything.
 * @param snapshot - The answer.
 */
export function jobsAfter(
  kept: readonly IJob[],
  { jobs, removed_jobs }: Pick<ISnapshot, 'jobs' | 'removed_jobs'>
): readonly IJob[] {
  if (jobs.length + removed_jobs.length === 0) {
    return kept;
  }
  const gone = new Set([...removed_jobs, ...jobs.map(({ spec }) => spec.name)]);
  return [
    ...kept.filter(({ spec }) => !gone.has(spec.name)),
    ...jobs.map(wholeJob)
  ].sort(
    (one, other) =>
      other.created_at - one.created_at ||
      one.spec.name.localeCompare(other.spec.name)
  );
}

/** A job with the defaults that the wire leaves out. */
export function wholeJob(job: IWireJob): IJob {
  return {
    state: 'queued',
    phase: '',
    progress: null,
    step: 0,
    total_steps: 0,
    epoch: 0,
    tokens: 0,
    memory_mb: 0,
    gpu_memory_mb: 0,
    eta_s: null,
    point: { step: 0 },
    checkpoints: [],
    artefacts: {},
    warnings: [],
    node: '',
    pid: 0,
    attempt: 1,
    result: {},
    error: null,
    created_at: 0,
    started_at: null,
    finished_at: null,
    rev: 0,
    ...job
  };
}

const ENDED: ReadonlySet<JobState> = new Set([
  'completed',
  'stopped',
  'failed',
  'cancelled'
]);

/** Whether a job has ended, one way or another. */
export function hasEnded({ state }: IJob): boolean {
  return ENDED.has(state);
}

/** Whether a job can go on from where it ended. */
export function isResumable(job: IJob): boolean {
  return hasEnded(job) && job.state !== 'completed';
}

/** The folder that a job left to be deployed; empty where there is none. */
export function deployable(job: IJob): string {
  const { model, adapter } = job.artefacts;
  return hasEnded(job) ? (model ?? adapter ?? '') : '';
}

/** How far a job is, 0 to 1: by its steps, else by its phase; `null` where neither is known. */
export function progressOf(job: IJob): number | null {
  return job.state === 'running' && job.total_steps > 0
    ? Math.min(1, job.step / job.total_steps)
    : job.progress;
}
