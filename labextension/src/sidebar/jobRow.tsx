import {
  deleteIcon,
  listIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { memo } from 'react';

import { jobCell } from '../cells';
import { CommandIDs } from '../commands';
import { formatDuration, formatFigure } from '../format';
import { deployIcon } from '../icons';
import { deployable, hasEnded, isResumable, progressOf } from '../jobs';
import type { IJob } from '../tokens';
import { IconButton, ProgressBar } from './atoms';
import { Sparkline } from './chart';
import { useCurve, useSidebar } from './context';
import { Failure, type IRowPlace, RowFrame, tabIndexOf } from './frame';
import { JobDetails } from './jobDetails';

export interface IJobRowProps extends IRowPlace {
  job: IJob;
}

/** One job: its name and loss, how far it is, what it does now, and all the rest on demand. */
export const JobRow = memo(function JobRow(props: IJobRowProps) {
  const { job, ...place } = props;
  const { trans } = useSidebar();
  const points = useCurve(job, place.expanded || !hasEnded(job));
  const { spec, state, step, total_steps, attempt } = job;
  const { name } = spec;
  const tabIndex = tabIndexOf(place);
  const facts = (
    <>
      <span title={trans.__('Kind of the job')}>{spec.kind}</span>
      {total_steps > 0 && (
        <span title={trans.__('Steps done, steps in all')}>
          {trans.__('step %1/%2', step, total_steps)}
        </span>
      )}
      {attempt > 1 && (
        <span title={trans.__('How often its process was started')}>
          {trans.__('attempt %1', attempt)}
        </span>
      )}
    </>
  );
  return (
    <RowFrame
      {...place}
      name={name}
      state={state}
      dataset={{ 'data-job': name }}
      cell={jobCell(name)}
      mark={!place.expanded && <Sparkline points={points} />}
      facts={facts}
      actions={<JobActions job={job} tabIndex={tabIndex} />}
    >
      <JobActivity job={job} tabIndex={tabIndex} />
      {place.expanded && <JobDetails job={job} points={points} />}
    </RowFrame>
  );
});

function JobActions(props: { job: IJob; tabIndex: number }): JSX.Element {
  const { job, tabIndex } = props;
  const { trans, run, readOnly } = useSidebar();
  const { name } = job.spec;
  const action = (icon: typeof listIcon, label: string, command: string) => (
    <IconButton
      icon={icon}
      label={label}
      tabIndex={tabIndex}
      onClick={() => run(command, { job: name })}
    />
  );
  const ended = hasEnded(job);
  return (
    <div className="jp-ByzerLab-rowActions">
      {action(listIcon, trans.__('Log of %1', name), CommandIDs.showJobLog)}
      {!readOnly && (
        <>
          {deployable(job) &&
            action(
              deployIcon,
              trans.__('Deploy the model of %1…', name),
              CommandIDs.deployJob
            )}
          {isResumable(job) &&
            action(
              refreshIcon,
              trans.__('Resume %1', name),
              CommandIDs.resumeJob
            )}
          {ended
            ? action(
                deleteIcon,
                trans.__('Delete %1…', name),
                CommandIDs.deleteJob
              )
            : action(stopIcon, trans.__('Stop %1…', name), CommandIDs.stopJob)}
        </>
      )}
    </div>
  );
}

/** The lines below the facts: figures and progress, how it ended, or why it failed. */
function JobActivity(props: { job: IJob; tabIndex: number }): JSX.Element {
  const { job, tabIndex } = props;
  const { trans, run } = useSidebar();
  const { spec, state, phase, error, eta_s, point } = job;
  if (state === 'failed') {
    return (
      <Failure
        error={error}
        label={trans.__('Log')}
        tabIndex={tabIndex}
        onLog={() => run(CommandIDs.showJobLog, { job: spec.name })}
      />
    );
  }
  const loss = point.loss !== undefined && (
    <span>{trans.__('loss %1', formatFigure(point.loss))}</span>
  );
  const heldOut = point.eval_loss !== undefined && (
    <span>{trans.__('held out %1', formatFigure(point.eval_loss))}</span>
  );
  if (hasEnded(job)) {
    const { started_at, finished_at } = job;
    return (
      <div className="jp-ByzerLab-rowActivity">
        {loss}
        {heldOut}
        {started_at !== null && finished_at !== null && (
          <span>
            {trans.__('took %1', formatDuration(finished_at - started_at))}
          </span>
        )}
      </div>
    );
  }
  const progress = progressOf(job);
  const isTraining = state === 'running' && job.total_steps > 0;
  return (
    <div className="jp-ByzerLab-rowActivity jp-mod-progress">
      {isTraining ? loss : <span>{phase || trans.__('waiting')}</span>}
      {isTraining && eta_s !== null ? (
        <span>{trans.__('%1 left', formatDuration(eta_s))}</span>
      ) : (
        progress !== null && (
          <span>{trans.__('%1 %', Math.round(progress * 100))}</span>
        )
      )}
      {state !== 'queued' && (
        <ProgressBar
          value={progress}
          label={trans.__('Progress of %1', spec.name)}
        />
      )}
    </div>
  );
}
