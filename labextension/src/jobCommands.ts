import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { deleteIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';

import { Api } from './api';
import { attempt } from './attempt';
import { argsSchema, CommandIDs, JOB_ARGUMENT, jobName } from './commands';
import { deployIcon } from './icons';
import { deployable, hasEnded, isResumable } from './jobs';
import { IClusterModel, type IJob } from './tokens';

/** Commands that change a training job: stop, resume, deploy, delete. */
export const jobCommandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:job-commands',
  description:
    'Commands that stop, resume and delete training jobs and deploy what they made.',
  autoStart: true,
  requires: [IClusterModel],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IClusterModel,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('byzer_lab');
    const { commands, serviceManager } = app;
    const api = new Api(serviceManager.serverSettings);

    const add = (
      id: string,
      label: string,
      icon: typeof stopIcon,
      suits: (job: IJob) => boolean,
      execute: (job: IJob) => Promise<void>
    ) => {
      const find = (args: object) => {
        const name = jobName(app, { ...args });
        return model.state.jobs.find(({ spec }) => spec.name === name);
      };
      commands.addCommand(id, {
        label,
        icon,
        describedBy: argsSchema(JOB_ARGUMENT),
        isEnabled: () => !model.state.readOnly,
        // A context menu shows what suits the job below it.
        isVisible: args => {
          const job = find(args);
          return !job || suits(job);
        },
        execute: async args => {
          const job = find(args);
          if (job) {
            await execute(job);
          }
        }
      });
    };

    add(
      CommandIDs.stopJob,
      trans.__('Stop…'),
      stopIcon,
      job => !hasEnded(job),
      async ({ spec: { name } }) => {
        const { button, isChecked } = await showDialog({
          title: trans.__('Stop %1?', name),
          body: trans.__(
            'It saves what it has trained and ends. It can be resumed from there.'
          ),
          checkbox: {
            label: trans.__('Break it off at once, without saving'),
            checked: false
          },
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Stop') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await attempt(model, () =>
            isChecked ? api.cancelJob(name) : api.stopJob(name)
          );
        }
      }
    );

    add(
      CommandIDs.resumeJob,
      trans.__('Resume'),
      refreshIcon,
      isResumable,
      ({ spec: { name } }) => attempt(model, () => api.resumeJob(name))
    );

    add(
      CommandIDs.deployJob,
      trans.__('Deploy the Model…'),
      deployIcon,
      job => deployable(job) !== '',
      async job => {
        const { value } = await InputDialog.getText({
          title: trans.__('Deploy the model of %1', job.spec.name),
          label: trans.__('Name of the deployment'),
          text: job.spec.name,
          okLabel: trans.__('Deploy')
        });
        if (value) {
          await attempt(model, () => api.deploy(value, deployable(job)));
        }
      }
    );

    add(
      CommandIDs.deleteJob,
      trans.__('Delete…'),
      deleteIcon,
      hasEnded,
      async ({ spec: { name, folder } }) => {
        const { button, isChecked } = await showDialog({
          title: trans.__('Delete %1?', name),
          body: trans.__('Its record, its curves and its log are forgotten.'),
          checkbox: {
            label: folder
              ? trans.__('Delete its files too: %1', folder)
              : trans.__('Delete its files too'),
            checked: false
          },
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Delete') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await attempt(model, () => api.deleteJob(name, isChecked ?? false));
        }
      }
    );
  }
};
