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
  JOB_ARGUMENT,
  jobName,
  NAME_ARGUMENT
} from '../commands';
import { type ILogSource, LogView } from './widget';

type LogTab = MainAreaWidget<LogView>;

/** Opens the log of a deployment or of a job in a tab. */
export const logsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:logs',
  description:
    "Tabs that follow the logs of a deployment's workers and of training jobs.",
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

    const track = (
      command: string,
      source: (name: string) => ILogSource,
      argument: 'name' | 'job'
    ): ((name: string) => void) => {
      const tracker = new WidgetTracker<LogTab>({ namespace: command });
      void restorer?.restore(tracker, {
        command,
        args: ({ content }) => ({ [argument]: content.source.name }),
        name: ({ content }) => content.source.name
      });
      return name => {
        const known = tracker.find(
          ({ content }) => content.source.name === name
        );
        const widget = known ?? opened(source(name), command);
        if (!known) {
          // Notebook 7 keeps its main area for the one document; tabs go below it.
          shell.add(widget, labShell ? 'main' : 'down', { type: 'Logs' });
          void tracker.add(widget);
        }
        shell.activateById(widget.id);
      };
    };

    const opened = (source: ILogSource, command: string): LogTab => {
      const widget = new MainAreaWidget({
        content: new LogView(source, trans)
      });
      widget.id = `${command}-${source.name}`;
      widget.title.label = trans.__('Log of %1', source.name);
      widget.title.icon = listIcon;
      widget.title.closable = true;
      return widget;
    };

    const showLogs = track(
      CommandIDs.showLogs,
      name => ({ name, page: (...place) => api.logs(name, ...place) }),
      'name'
    );
    commands.addCommand(CommandIDs.showLogs, {
      label: trans.__('Show the Logs'),
      icon: listIcon,
      describedBy: argsSchema(NAME_ARGUMENT),
      execute: args => showLogs(deploymentName(app, args))
    });

    const showJobLog = track(
      CommandIDs.showJobLog,
      name => ({ name, page: (...place) => api.jobLog(name, ...place) }),
      'job'
    );
    commands.addCommand(CommandIDs.showJobLog, {
      label: trans.__('Show the Log'),
      icon: listIcon,
      describedBy: argsSchema(JOB_ARGUMENT),
      execute: args => showJobLog(jobName(app, args))
    });
  }
};
