import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import {
  createContext,
  useContext,
  useEffect,
  useSyncExternalStore
} from 'react';

import type { JobCurves } from '../curves';
import type { IClusterModel, IClusterState, IJob, IJobPoint } from '../tokens';

/** What every part of the sidebar needs. */
export interface ISidebarContext {
  commands: CommandRegistry;
  trans: TranslationBundle;
  readOnly: boolean;
  curves: JobCurves;
}

export const SidebarContext = createContext<ISidebarContext | null>(null);

/** The sidebar's commands, strings and permissions. */
export function useSidebar(): ISidebarContext & {
  run: (id: string, args?: ReadonlyPartialJSONObject) => void;
} {
  const context = useContext(SidebarContext);
  if (!context) {
    throw new Error('A part of the sidebar was rendered outside of it.');
  }
  const { commands } = context;
  return { ...context, run: (id, args) => void commands.execute(id, args) };
}

/** Renders anew whenever the model's state changes. */
export function useClusterState(model: IClusterModel): IClusterState {
  return useSyncExternalStore(
    onChange => {
      model.stateChanged.connect(onChange);
      return () => void model.stateChanged.disconnect(onChange);
    },
    () => model.state
  );
}

/** The points of a job's curves; those that are new are fetched while they are wanted. */
export function useCurve(job: IJob, wanted: boolean): readonly IJobPoint[] {
  const { curves } = useSidebar();
  useEffect(() => {
    if (wanted) {
      curves.follow(job);
    }
  }, [curves, job, wanted]);
  return useSyncExternalStore(
    onChange => {
      curves.changed.connect(onChange);
      return () => void curves.changed.disconnect(onChange);
    },
    () => curves.of(job)
  );
}
