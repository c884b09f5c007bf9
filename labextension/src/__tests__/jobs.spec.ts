import {
  deployable,
  hasEnded,
  isResumable,
  jobsAfter,
  progressOf,
  wholeJob
} from '../jobs';
import { INITIAL_STATE, applyReply, phaseOf } from '../state';
import { job, reply } from './samples';

const names = (jobs: readonly { spec: { name: string } }[]) =>
  jobs.map(({ spec }) => spec.name);

describe('the jobs of a state', () => {
  const two = applyReply(
    INITIAL_STATE,
    reply({
      jobs: [job('old', { created_at: 1 }), job('new', { created_at: 2 })]
    }),
    0
  );

  it('are shown the newest first, and a cluster with jobs is not empty', () => {
    expect(names(two.jobs)).toEqual(['new', 'old']);
    expect(phaseOf(two)).toBe('running');
  });

  it('keep the identity of what did not change', () => {
    const changed = job('old', { created_at: 1, step: 31 });
    const after = applyReply(two, reply({ full: false, jobs: [changed] }), 0);
    expect(after.jobs).toEqual([two.jobs[0], changed]);
    expect(after.jobs[0]).toBe(two.jobs[0]);
    const still = applyReply(after, reply({ full: false }), 0);
    expect(still.jobs).toBe(after.jobs);
  });

  it('lose what was deleted', () => {
    const after = applyReply(
      two,
      reply({ full: false, removed_jobs: ['old'] }),
      0
    );
    expect(names(after.jobs)).toEqual(['new']);
  });

  it('have the defaults that the wire leaves out', () => {
    const [bare] = jobsAfter([], {
      jobs: [
        { id: 'a', spec: { name: 'a', kind: 'dpo', model_path: 'bundled' } }
      ],
      removed_jobs: []
    });
    expect(bare).toMatchObject({ state: 'queued', attempt: 1, warnings: [] });
  });
});

describe('what a job may do', () => {
  it.each([
    ['queued', false, false],
    ['running', false, false],
    ['stopping', false, false],
    ['completed', true, false],
    ['stopped', true, true],
    ['failed', true, true],
    ['cancelled', true, true]
  ] as const)('%s', (state, ended, resumable) => {
    const one = job('a', { state });
    expect([hasEnded(one), isResumable(one)]).toEqual([ended, resumable]);
  });

  it('deploys the merged model rather than the adapter, once it has ended', () => {
    const artefacts = { adapter: '/a', tensorboard: '/t' };
    expect(deployable(job('a', { artefacts }))).toBe('');
    expect(deployable(job('a', { state: 'stopped', artefacts }))).toBe('/a');
    expect(
      deployable(
        job('a', {
          state: 'completed',
          artefacts: { ...artefacts, model: '/m' }
        })
      )
    ).toBe('/m');
  });
});

describe('progressOf', () => {
  it('counts steps while training, else tells the share of the phase', () => {
    expect(progressOf(job('a'))).toBe(0.25);
    expect(progressOf(job('a', { state: 'preparing', progress: 0.6 }))).toBe(
      0.6
    );
    expect(
      progressOf(wholeJob({ id: 'a', spec: job('a').spec, state: 'queued' }))
    ).toBeNull();
  });
});
