import { cellsPlugin } from './cellsPlugin';
import { clusterCommandsPlugin } from './clusterCommands';
import { jobCommandsPlugin } from './jobCommands';
import { logsPlugin } from './logs/plugin';
import { modelPlugin } from './modelPlugin';
import { sidebarPlugin } from './sidebar/plugin';
import { sqlPlugin } from './sql/plugin';

export default [
  sidebarPlugin,
  modelPlugin,
  clusterCommandsPlugin,
  jobCommandsPlugin,
  cellsPlugin,
  logsPlugin,
  sqlPlugin
];
