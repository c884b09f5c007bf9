import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { listIcon } from '@jupyterlab/ui-components';

import { Api } from '../api';
import {
  argsSchema,
  CommandIDs,
  deploymentName,
  NAME_ARGUMENT
} from '../commands';
import { LogView } from './widget';

/** Opens the logs of a deployment in a tab. */
export const logsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:logs',
  description: "Tabs that follow the logs of a deployment's workers.",
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('byzer_lab');
    const { commands, serviceManager, shell } = app;
    const api = new Api(serviceManager.serverSettings);
    const tracker = new WidgetTracker<MainAreaWidget<LogView>>({
      namespace: 'byzer-lab-logs'
    });

    const open = (name: string): MainAreaWidget<LogView> => {
      const widget = new MainAreaWidget({
        content: new LogView(name, api, trans)
      });
      widget.id = `byzer-lab-logs-${name}`;
      widget.title.label = trans.__('Logs of %1', name);
      widget.title.icon = listIcon;
      widget.title.closable = true;
      // Notebook 7 keeps its main area for the one document; tabs go below it.
      shell.add(widget, labShell ? 'main' : 'down', { type: 'Logs' });
      void tracker.add(widget);
      return widget;
    };

    commands.addCommand(CommandIDs.showLogs, {
      label: trans.__('Show the Logs'),
      icon: listIcon,
      describedBy: argsSchema(NAME_ARGUMENT),
      execute: args => {
        const name = deploymentName(app, args);
        const widget =
          tracker.find(({ content }) => content.deployment === name) ??
          open(name);
        shell.activateById(widget.id);
      }
    });

    void restorer?.restore(tracker, {
      command: CommandIDs.showLogs,
      args: ({ content }) => ({ name: content.deployment }),
      name: ({ content }) => content.deployment
    });
  }
};
