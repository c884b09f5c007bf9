import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { addBelowIcon } from '@jupyterlab/ui-components';

import { DEPLOY_CELL, FINETUNE_CELL, jobCell, promptCell } from './cells';
import {
  argsSchema,
  CommandIDs,
  deploymentName,
  JOB_ARGUMENT,
  jobName,
  NAME_ARGUMENT,
  NO_ARGUMENTS,
  SOURCE_ARGUMENT
} from './commands';
import { complain } from './complain';
import { insertCell } from './insert';

/** Commands that put cells into the current notebook. */
export const cellsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:cells',
  description: 'Inserts notebook cells that deploy a model or talk to one.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('byzer_lab');
    const { commands, shell } = app;

    /** The notebook at hand, else a new one where the application can open it. */
    const notebook = async (): Promise<NotebookPanel | null> => {
      if (tracker.currentWidget) {
        return tracker.currentWidget;
      }
      if (!commands.hasCommand('notebook:create-new')) {
        return null;
      }
      const opened: unknown = await commands.execute('notebook:create-new');
      return opened instanceof NotebookPanel ? opened : null;
    };

    const insert = async (source: string): Promise<void> => {
      const panel = await notebook();
      if (!panel) {
        complain(
          trans.__('Open a notebook first: the cell is inserted there.')
        );
        return;
      }
      await panel.context.ready;
      shell.activateById(panel.id);
      insertCell(panel, source);
    };

    commands.addCommand(CommandIDs.insertPromptCell, {
      label: trans.__('Insert a Prompt Cell'),
      icon: addBelowIcon,
      describedBy: argsSchema(NAME_ARGUMENT),
      execute: args => insert(promptCell(deploymentName(app, args)))
    });

    commands.addCommand(CommandIDs.insertJobCell, {
      label: trans.__('Insert a Cell That Watches the Job'),
      icon: addBelowIcon,
      describedBy: argsSchema(JOB_ARGUMENT),
      execute: args => insert(jobCell(jobName(app, args)))
    });

    commands.addCommand(CommandIDs.insertDeployCell, {
      label: trans.__('Insert a Cell That Deploys the Demonstration Model'),
      icon: addBelowIcon,
      describedBy: argsSchema(SOURCE_ARGUMENT),
      execute: args => insert(String(args.source ?? DEPLOY_CELL))
    });

    commands.addCommand(CommandIDs.insertFinetuneCell, {
      label: trans.__('Insert a Cell That Finetunes a Model'),
      icon: addBelowIcon,
      describedBy: NO_ARGUMENTS,
      execute: () => insert(FINETUNE_CELL)
    });

    for (const command of [
      CommandIDs.insertDeployCell,
      CommandIDs.insertFinetuneCell
    ]) {
      palette?.addItem({ command, category: trans.__('Byzer Lab') });
    }
  }
};
