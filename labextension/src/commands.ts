import type { JupyterFrontEnd } from '@jupyterlab/application';
import type {
  ReadonlyJSONObject,
  ReadonlyPartialJSONObject
} from '@lumino/coreutils';

/** Every command of Byzer Lab. */
export namespace CommandIDs {
  export const open = 'byzer-lab:open';
  export const refresh = 'byzer-lab:refresh';
  export const startCluster = 'byzer-lab:start-cluster';
  export const stopCluster = 'byzer-lab:stop-cluster';
  export const undeploy = 'byzer-lab:undeploy';
  export const scale = 'byzer-lab:scale';
  export const cancelOperation = 'byzer-lab:cancel-operation';
  export const insertPromptCell = 'byzer-lab:insert-prompt-cell';
  export const insertDeployCell = 'byzer-lab:insert-deploy-cell';
  export const showLogs = 'byzer-lab:show-logs';
  export const insertFinetuneCell = 'byzer-lab:insert-finetune-cell';
  export const insertJobCell = 'byzer-lab:insert-job-cell';
  export const showJobLog = 'byzer-lab:show-job-log';
  export const stopJob = 'byzer-lab:stop-job';
  export const resumeJob = 'byzer-lab:resume-job';
  export const deployJob = 'byzer-lab:deploy-job';
  export const deleteJob = 'byzer-lab:delete-job';
}

/**
 * Class of a row. The context menus in `schema/sidebar.json` hang on it and on `data-name` of a
 * deployment, `data-job` of a job.
 */
export const ROW_CLASS = 'jp-ByzerLab-row';

/** A schema of a command's arguments, as `describedBy` wants it. */
export function argsSchema(
  properties: ReadonlyJSONObject,
  required: string[] = []
): { args: ReadonlyJSONObject } {
  return {
    args: { type: 'object', properties, required, additionalProperties: true }
  };
}

/** The argument of commands that act on one deployment. */
export const NAME_ARGUMENT = {
  name: {
    type: 'string',
    description: 'Name of the deployment; else the row under the context menu.'
  }
};

/** The argument of the command that inserts a cell which deploys. */
export const SOURCE_ARGUMENT = {
  source: {
    type: 'string',
    description: 'Text of the cell; else it deploys the demonstration model.'
  }
};

/** The deployment that a command shall act on. */
export function deploymentName(
  app: JupyterFrontEnd,
  args: ReadonlyPartialJSONObject
): string {
  const row = () =>
    app.contextMenuHitTest(node => node.classList.contains(ROW_CLASS));
  return String(args.name ?? row()?.dataset.name ?? '');
}

/** The argument of commands that act on one job. */
export const JOB_ARGUMENT = {
  job: {
    type: 'string',
    description: 'Name of the job; else the row under the context menu.'
  }
};

/** The job that a command shall act on. */
export function jobName(
  app: JupyterFrontEnd,
  args: ReadonlyPartialJSONObject
): string {
  const row = () =>
    app.contextMenuHitTest(node => node.classList.contains(ROW_CLASS));
  return String(args.job ?? row()?.dataset.job ?? '');
}

/** For commands without arguments. */
export const NO_ARGUMENTS = argsSchema({});
