import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  InputDialog,
  showDialog
} from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import {
  deleteIcon,
  refreshIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';

import { Api } from './api';
import { attempt } from './attempt';
import {
  argsSchema,
  CommandIDs,
  deploymentName,
  NAME_ARGUMENT,
  NO_ARGUMENTS
} from './commands';
import { scaleIcon } from './icons';
import { complain } from './complain';
import { total } from './state';
import { IClusterModel, type IDeployment } from './tokens';

const MAX_WORKERS = 1000;

/** Commands that change the cluster: start, stop, undeploy, scale, cancel. */
export const clusterCommandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:cluster-commands',
  description:
    'Commands that start and stop the Byzer Lab cluster and change its deployments.',
  autoStart: true,
  requires: [IClusterModel],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: IClusterModel,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('byzer_lab');
    const { commands, serviceManager } = app;
    const api = new Api(serviceManager.serverSettings);

    const find = (name: string) =>
      model.state.deployments.find(({ spec }) => spec.name === name);
    const isAllowed = () => !model.state.readOnly;

    commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh the Models'),
      icon: refreshIcon,
      describedBy: NO_ARGUMENTS,
      execute: () => model.pull()
    });

    commands.addCommand(CommandIDs.startCluster, {
      label: trans.__('Start the Cluster'),
      icon: runIcon,
      describedBy: NO_ARGUMENTS,
      isEnabled: isAllowed,
      execute: () => attempt(model, () => api.startCluster())
    });

    commands.addCommand(CommandIDs.stopCluster, {
      label: trans.__('Stop the Cluster…'),
      icon: stopIcon,
      describedBy: NO_ARGUMENTS,
      isEnabled: isAllowed,
      execute: async () => {
        const { button } = await showDialog({
          title: trans.__('Stop the cluster?'),
          body: stopWarning(model.state.deployments, trans),
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Stop') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await attempt(model, () => api.stopCluster());
        }
      }
    });

    commands.addCommand(CommandIDs.undeploy, {
      label: trans.__('Undeploy…'),
      icon: deleteIcon,
      describedBy: argsSchema(NAME_ARGUMENT),
      isEnabled: isAllowed,
      execute: async args => {
        const deployment = find(deploymentName(app, args));
        if (!deployment) {
          return;
        }
        const { button, isChecked } = await showDialog({
          title: trans.__('Undeploy %1?', deployment.spec.name),
          body: inFlightWarning(deployment, trans),
          checkbox: {
            label: trans.__(
              'Break off requests in flight instead of finishing them'
            ),
            checked: false
          },
          buttons: [
            Dialog.cancelButton(),
            Dialog.warnButton({ label: trans.__('Undeploy') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await attempt(model, () =>
            api.undeploy(deployment.spec.name, isChecked ?? false)
          );
        }
      }
    });

    commands.addCommand(CommandIDs.scale, {
      label: trans.__('Scale…'),
      icon: scaleIcon,
      describedBy: argsSchema({
        ...NAME_ARGUMENT,
        workers: {
          type: 'integer',
          description: 'How many workers; a dialog asks when missing.',
          minimum: 1,
          maximum: MAX_WORKERS
        }
      }),
      isEnabled: isAllowed,
      execute: async args => {
        const deployment = find(deploymentName(app, args));
        if (!deployment) {
          return;
        }
        const wanted =
          typeof args.workers === 'number'
            ? args.workers
            : await askWorkers(deployment, trans);
        if (wanted !== null) {
          await attempt(model, () => api.scale(deployment.spec.name, wanted));
        }
      }
    });

    commands.addCommand(CommandIDs.cancelOperation, {
      label: trans.__('Cancel'),
      describedBy: argsSchema(
        { operation: { type: 'string', description: 'Id of the operation.' } },
        ['operation']
      ),
      isEnabled: isAllowed,
      execute: ({ operation }) =>
        attempt(model, () => api.cancel(String(operation)))
    });

    for (const command of [CommandIDs.startCluster, CommandIDs.stopCluster]) {
      palette?.addItem({ command, category: trans.__('Byzer Lab') });
    }
  }
};

function inFlightWarning(
  deployment: IDeployment,
  trans: TranslationBundle
): string {
  const inFlight = total(deployment, 'in_flight') + total(deployment, 'queued');
  return inFlight === 0
    ? trans.__('No request is in flight.')
    : trans._n(
        '%1 request is in flight.',
        '%1 requests are in flight.',
        inFlight
      );
}

function stopWarning(
  deployments: readonly IDeployment[],
  trans: TranslationBundle
): string {
  const busy = deployments
    .map(deployment => ({
      name: deployment.spec.name,
      inFlight: total(deployment, 'in_flight') + total(deployment, 'queued')
    }))
    .filter(({ inFlight }) => inFlight > 0)
    .map(({ name, inFlight }) => trans.__('%1: %2', name, inFlight));
  if (deployments.length === 0) {
    return trans.__('Nothing is deployed on it.');
  }
  const fate = trans._n(
    '%1 deployment ends with it and comes back at the next start.',
    '%1 deployments end with it and come back at the next start.',
    deployments.length
  );
  return busy.length === 0
    ? fate
    : trans.__(
        '%1 Requests in flight are broken off: %2.',
        fate,
        busy.join(', ')
      );
}

async function askWorkers(
  deployment: IDeployment,
  trans: TranslationBundle
): Promise<number | null> {
  const { value } = await InputDialog.getNumber({
    title: trans.__('Scale %1', deployment.spec.name),
    label: trans.__('Workers, from 1 to %1', MAX_WORKERS),
    value: deployment.spec.workers ?? 1,
    okLabel: trans.__('Scale')
  });
  if (value === null) {
    return null;
  }
  if (!Number.isInteger(value) || value < 1 || value > MAX_WORKERS) {
    complain(
      trans.__(
        'The number of workers must be a whole number from 1 to %1.',
        MAX_WORKERS
      )
    );
    return null;
  }
  return value;
}
