import { Signal, Stream } from '@lumino/signaling';
import type { Event } from '@jupyterlab/services';

import { ClusterModel, STATE_EVENT } from '../model';
import { ApiError } from '../request';
import type { IOperation, IStateReply } from '../tokens';
import { deployment, operation, reply } from './samples';

/** Lets everything that is due by now happen. */
const settle = () => jest.advanceTimersByTimeAsync(1);

class FakeApi {
  info = jest.fn(() => Promise.resolve({ version: '1', read_only: true }));
  state = jest.fn<Promise<IStateReply>, [string, number]>(() =>
    Promise.resolve(this.next)
  );
  next: IStateReply = reply({ deployments: [deployment('chat')] });
}

describe('ClusterModel', () => {
  let api: FakeApi;
  let events: Stream<object, Event.Emission>;
  let model: ClusterModel;
  const nudge = (schema_id = STATE_EVENT) => events.emit({ schema_id });

  beforeEach(() => {
    jest.useFakeTimers();
    api = new FakeApi();
    events = new Stream({});
    model = new ClusterModel(api, events);
  });

  afterEach(() => {
    model.dispose();
    jest.useRealTimers();
  });

  it('asks nothing while nobody looks', async () => {
    await settle();
    nudge();
    await jest.advanceTimersByTimeAsync(120_000);
    expect(api.state).not.toHaveBeenCalled();
  });

  it('asks at once when somebody begins to look', async () => {
    model.setWatched(true);
    await settle();
    expect(model.state.deployments).toHaveLength(1);
    expect(model.state.readOnly).toBe(true);
  });

  it('asks for what changed since its revision when nudged', async () => {
    model.setWatched(true);
    await settle();
    nudge();
    await settle();
    expect(api.state).toHaveBeenLastCalledWith('e', 1);
  });

  it('ignores other events', async () => {
    model.setWatched(true);
    await settle();
    const asked = api.state.mock.calls.length;
    nudge('https://events.jupyter.org/jupyter_server/contents_service/v1');
    await settle();
    expect(api.state).toHaveBeenCalledTimes(asked);
  });

  it('asks once more after nudges that came during a request', async () => {
    model.setWatched(true);
    await settle();
    const asked = api.state.mock.calls.length;
    let answer: (value: IStateReply) => void = () => undefined;
    api.state.mockImplementationOnce(
      () => new Promise(resolve => (answer = resolve))
    );
    nudge();
    await settle();
    nudge();
    nudge();
    await settle();
    expect(api.state).toHaveBeenCalledTimes(asked + 1);
    answer(api.next);
    await settle();
    expect(api.state).toHaveBeenCalledTimes(asked + 2);
  });

  it('asks by itself now and then, in case an event was missed', async () => {
    model.setWatched(true);
    await settle();
    const asked = api.state.mock.calls.length;
    await jest.advanceTimersByTimeAsync(25_000);
    expect(api.state.mock.calls.length).toBeGreaterThan(asked);
  });

  it('keeps what it knows when the server does not answer', async () => {
    model.setWatched(true);
    await settle();
    api.state.mockRejectedValueOnce(new ApiError('network', 'gone'));
    await model.pull();
    expect(model.state.problem?.kind).toBe('network');
    expect(model.state.deployments).toHaveLength(1);
    await model.pull();
    expect(model.state.problem).toBeNull();
  });

  it('tells of an operation that fails', async () => {
    const failures: IOperation[] = [];
    model.operationFailed.connect((_, failed) => failures.push(failed));
    model.setWatched(true);
    api.next = reply({ operations: [operation('a')] });
    await settle();
    api.next = reply({
      rev: 2,
      full: false,
      operations: [operation('a', { state: 'failed' })]
    });
    await model.pull();
    await model.pull();
    expect(failures.map(({ id }) => id)).toEqual(['a']);
  });

  it('is deaf after its disposal', async () => {
    model.setWatched(true);
    await settle();
    const asked = api.state.mock.calls.length;
    model.dispose();
    nudge();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(api.state).toHaveBeenCalledTimes(asked);
    Signal.clearData(events);
  });
});
