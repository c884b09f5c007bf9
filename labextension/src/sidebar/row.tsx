import { addBelowIcon, deleteIcon, listIcon } from '@jupyterlab/ui-components';
import { memo } from 'react';

import { promptCell } from '../cells';
import { CommandIDs } from '../commands';
import { formatRate } from '../format';
import { scaleIcon } from '../icons';
import { total } from '../state';
import type { IDeployment, IOperation } from '../tokens';
import { IconButton, ProgressBar, TextButton } from './atoms';
import { useSidebar } from './context';
import { Details } from './details';
import { Failure, type IRowPlace, RowFrame, tabIndexOf } from './frame';

export interface IRowProps extends IRowPlace {
  deployment: IDeployment;
  /** The operation that is changing it now. */
  operation: IOperation | undefined;
}

/** One deployment: two lines of facts, one of what it does now, and all the rest on demand. */
export const DeploymentRow = memo(function DeploymentRow(props: IRowProps) {
  const { deployment, operation, ...place } = props;
  const { trans } = useSidebar();
  const { spec, state, workers, replaced } = deployment;
  const { name, backend = 'transformers', workers: desired = 1 } = spec;
  const ready = workers.filter(worker => worker.state === 'ready').length;
  const tabIndex = tabIndexOf(place);
  const facts = (
    <>
      <span>{backend}</span>
      <span title={trans.__('Workers ready, workers wanted')}>
        {trans._n('%2/%1 worker', '%2/%1 workers', desired, ready)}
      </span>
      {replaced > 0 && (
        <span
          className="jp-ByzerLab-replaced"
          title={trans.__('Workers that were lost and replaced')}
        >
          {trans.__('%1 replaced', replaced)}
        </span>
      )}
    </>
  );
  return (
    <RowFrame
      {...place}
      name={name}
      state={state}
      dataset={{ 'data-name': name }}
      cell={promptCell(name)}
      facts={facts}
      actions={<RowActions name={name} tabIndex={tabIndex} />}
    >
      <RowActivity
        deployment={deployment}
        operation={operation}
        tabIndex={tabIndex}
      />
      {place.expanded && <Details deployment={deployment} />}
    </RowFrame>
  );
});

function RowActions(props: { name: string; tabIndex: number }): JSX.Element {
  const { name, tabIndex } = props;
  const { trans, run, readOnly } = useSidebar();
  const action = (icon: typeof listIcon, label: string, command: string) => (
    <IconButton
      icon={icon}
      label={label}
      tabIndex={tabIndex}
      onClick={() => run(command, { name })}
    />
  );
  return (
    <div className="jp-ByzerLab-rowActions">
      {action(
        addBelowIcon,
        trans.__('Insert a cell that uses %1', name),
        CommandIDs.insertPromptCell
      )}
      {action(listIcon, trans.__('Logs of %1', name), CommandIDs.showLogs)}
      {!readOnly && (
        <>
          {action(
            scaleIcon,
            trans.__('Scale the workers of %1…', name),
            CommandIDs.scale
          )}
          {action(
            deleteIcon,
            trans.__('Undeploy %1…', name),
            CommandIDs.undeploy
          )}
        </>
      )}
    </div>
  );
}

/**
 * The third line: the load while ready, progress while loading or drawing, the error when it
 * failed.
 */
function RowActivity(props: {
  deployment: IDeployment;
  operation: IOperation | undefined;
  tabIndex: number;
}): JSX.Element | null {
  const { deployment, operation, tabIndex } = props;
  const { trans, run, readOnly } = useSidebar();
  const { spec, state, error, workers } = deployment;
  if (state === 'failed') {
    return (
      <Failure
        error={error}
        label={trans.__('Logs')}
        tabIndex={tabIndex}
        onLog={() => run(CommandIDs.showLogs, { name: spec.name })}
      />
    );
  }
  if (operation?.state === 'running' && operation.kind !== 'undeploy') {
    const loading = workers.find(worker => worker.state === 'loading');
    const phase = operation.phase || loading?.phase || trans.__('waiting');
    const progress = operation.progress ?? loading?.progress ?? null;
    return (
      <div className="jp-ByzerLab-rowActivity jp-mod-progress">
        <span>
          {progress === null
            ? phase
            : trans.__('%1 %2 %', phase, Math.round(progress * 100))}
        </span>
        {!readOnly && operation.kind === 'deploy' && (
          <TextButton
            tabIndex={tabIndex}
            onClick={() =>
              run(CommandIDs.cancelOperation, { operation: operation.id })
            }
          >
            {trans.__('Cancel')}
          </TextButton>
        )}
        <ProgressBar value={progress} label={phase} />
      </div>
    );
  }
  const queued = total(deployment, 'queued');
  const working = workers.find(
    worker => (worker.load.progress ?? null) !== null
  );
  if (working) {
    const phase = working.load.phase || trans.__('working');
    const progress = working.load.progress ?? 0;
    return (
      <div className="jp-ByzerLab-rowActivity jp-mod-progress">
        <span>{trans.__('%1 %2 %', phase, Math.round(progress * 100))}</span>
        {queued > 0 && <span>{trans.__('%1 queued', queued)}</span>}
        <ProgressBar value={progress} label={phase} />
      </div>
    );
  }
  return (
    <div className="jp-ByzerLab-rowActivity jp-mod-load">
      <span>{trans.__('%1 in flight', total(deployment, 'in_flight'))}</span>
      {queued > 0 && <span>{trans.__('%1 queued', queued)}</span>}
      <span>
        {trans.__(
          '%1 tok/s',
          formatRate(total(deployment, 'tokens_per_second'))
        )}
      </span>
    </div>
  );
}
