import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from '../api';
import { CommandIDs, NO_ARGUMENTS } from '../commands';
import { complain } from '../complain';
import { JobCurves } from '../curves';
import { byzerLabIcon } from '../icons';
import { IClusterModel } from '../tokens';
import { SidebarPanel } from './panel';

const RANK = 600;

/** Shows the cluster in the left area of JupyterLab and of Notebook 7. */
export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:sidebar',
  description: 'A sidebar with the deployed models and the training jobs.',
  autoStart: true,
  requires: [IClusterModel],
  optional: [ITranslator, ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    model: IClusterModel,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load('byzer_lab');
    const { commands, serviceManager, shell } = app;

    const curves = new JobCurves(new Api(serviceManager.serverSettings));
    const panel = new SidebarPanel(model, commands, trans, curves);
    shell.add(panel, 'left', { rank: RANK, type: 'Byzer Lab' });
    restorer?.add(panel, panel.id);

    commands.addCommand(CommandIDs.open, {
      label: trans.__('Show Byzer Lab'),
      icon: byzerLabIcon,
      describedBy: NO_ARGUMENTS,
      execute: () => shell.activateById(panel.id)
    });
    palette?.addItem({
      command: CommandIDs.open,
      category: trans.__('Byzer Lab')
    });

    model.operationFailed.connect((_, { deployment, error }) => {
      // A failed deployment says so in its own row.
      const row = model.state.deployments.find(
        ({ spec }) => spec.name === deployment
      );
      if (row?.state !== 'failed') {
        complain(trans.__('%1: %2', deployment, error?.message ?? ''));
      }
    });
  }
};
