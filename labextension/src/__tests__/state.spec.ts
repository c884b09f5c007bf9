import { INITIAL_STATE, applyReply, newlyFailed, phaseOf } from '../state';
import { connected, deployment, operation, reply } from './samples';

const names = (state: ReturnType<typeof applyReply>) =>
  state.deployments.map(({ spec }) => spec.name);

describe('applyReply', () => {
  const two = applyReply(
    INITIAL_STATE,
    reply({
      rev: 5,
      deployments: [
        deployment('late', { created_at: 2 }),
        deployment('early', { created_at: 1 })
      ]
    }),
    0
  );

  it('takes a full snapshot, oldest deployment first', () => {
    expect(names(two)).toEqual(['early', 'late']);
    expect(two.rev).toBe(5);
  });

  it('merges what changed and keeps the identity of what did not', () => {
    const changed = deployment('late', { created_at: 2, replaced: 1 });
    const after = applyReply(
      two,
      reply({ rev: 6, full: false, deployments: [changed] }),
      0
    );
    expect(after.deployments).toEqual([two.deployments[0], changed]);
    expect(after.deployments[0]).toBe(two.deployments[0]);
  });

  it('removes what ended', () => {
    const after = applyReply(
      two,
      reply({ rev: 6, full: false, removed: ['early'] }),
      0
    );
    expect(names(after)).toEqual(['late']);
  });

  it('keeps the list as it is when nothing in it changed', () => {
    const after = applyReply(two, reply({ rev: 6, full: false }), 0);
    expect(after.deployments).toBe(two.deployments);
  });

  it('starts over with a new epoch', () => {
    const after = applyReply(
      two,
      reply({ epoch: 'f', deployments: [deployment('other')] }),
      0
    );
    expect(names(after)).toEqual(['other']);
  });

  it('forgets everything when the cluster is gone', () => {
    const gone = reply(null, { connection: { status: 'none', message: '' } });
    const after = applyReply(two, gone, 0);
    expect(after.deployments).toEqual([]);
    expect(after.epoch).toBe('');
  });

  it('dates the state by the age that the server gives', () => {
    const after = applyReply(two, reply({ rev: 6 }, { age_s: 3 }), 10_000);
    expect(after.confirmedAt).toBe(7_000);
  });
});

describe('newlyFailed', () => {
  it('tells failures once, and none that were over before', () => {
    const running = connected({
      operations: new Map([['a', operation('a')]])
    });
    const failed = connected({
      operations: new Map([
        ['a', operation('a', { state: 'failed' })],
        ['b', operation('b', { state: 'failed' })]
      ])
    });
    expect(newlyFailed(running, failed).map(({ id }) => id)).toEqual(['a']);
    expect(newlyFailed(failed, failed)).toEqual([]);
  });
});

describe('phaseOf', () => {
  const problem = (kind: 'missing' | 'network' | 'server') => ({
    kind,
    message: ''
  });

  it.each([
    ['asking', INITIAL_STATE],
    ['missing', { ...INITIAL_STATE, problem: problem('missing') }],
    ['empty', connected()],
    ['running', connected({ deployments: [deployment('chat')] })],
    ['lost', connected({ problem: problem('network') })],
    ['lost', connected({ problem: problem('server') })],
    ['none', connected({ connection: { status: 'none', message: '' } })],
    ['starting', connected({ connection: { status: 'starting', message: '' } })]
  ])('is %s', (phase, state) => {
    expect(phaseOf(state)).toBe(phase);
  });
});
