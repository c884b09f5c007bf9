import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { act, render } from '@testing-library/react';

import { CommandIDs, NO_ARGUMENTS } from '../commands';
import { JobCurves } from '../curves';
import { Sidebar } from '../sidebar/sidebar';
import type { IClusterModel, IClusterState, IJobPoint } from '../tokens';

/** A model that shows what a test tells it. */
class FakeModel implements IClusterModel {
  constructor(public state: IClusterState) {}
  readonly stateChanged = new Signal<this, IClusterState>(this);
  readonly operationFailed = new Signal<this, never>(this);
  pull = () => Promise.resolve();
  setWatched = () => undefined;
  show(state: IClusterState): void {
    this.state = state;
    act(() => this.stateChanged.emit(state));
  }
}

/** Called with each command that the sidebar executes, and its arguments. */
export const executed = jest.fn();

/** Render the sidebar. */
export function show(
  state: IClusterState,
  points: IJobPoint[] = []
): FakeModel {
  const commands = new CommandRegistry();
  Object.values(CommandIDs).forEach(id =>
    commands.addCommand(id, {
      describedBy: NO_ARGUMENTS,
      execute: args => executed(id, args)
    })
  );
  const model = new FakeModel(state);
  const trans = nullTranslator.load('byzer_lab');
  const curves = new JobCurves({ points: () => Promise.resolve({ points }) });
  render(
    <Sidebar model={model} commands={commands} trans={trans} curves={curves} />
  );
  return model;
}
