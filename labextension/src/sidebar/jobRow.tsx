import {
  caretDownIcon,
  caretRightIcon,
  deleteIcon,
  listIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { memo } from 'react';

import { jobCell } from '../cells';
import { CommandIDs, ROW_CLASS } from '../commands';
import { firstLine, formatDuration, formatFigure } from '../format';
import { deployIcon } from '../icons';
import { deployable, hasEnded, isResumable, progressOf } from '../jobs';
import type { IJob } from '../tokens';
import { IconButton, ProgressBar, StateBadge, TextButton } from './atoms';
import { Sparkline } from './chart';
import { useCurve, useSidebar } from './context';
import { dragCell } from './drag';
import { JobDetails } from './jobDetails';
import { TOGGLE_CLASS } from './rows';

export interface IJobRowProps {
  job: IJob;
  expanded: boolean;
  /** Whether Tab reaches this row; arrow keys move that from row to row. */
  reachable: boolean;
  onToggle: (name: string) => void;
  onFocus: (name: string) => void;
}

/** One job: its name and loss, how far it is, what it does now, and all the rest on demand. */
export const JobRow = memo(function JobRow(props: IJobRowProps) {
  const { job, expanded, reachable } = props;
  const { trans } = useSidebar();
  const points = useCurve(job, expanded || !hasEnded(job));
  const { spec, state, step, total_steps, attempt } = job;
  const { name } = spec;
  const Caret = expanded ? caretDownIcon : caretRightIcon;
  const tabIndex = reachable ? 0 : -1;
  return (
    <li
      className={ROW_CLASS}
      data-job={name}
      data-state={state}
      onFocus={() => props.onFocus(name)}
    >
      <div className="jp-ByzerLab-rowHead">
        <button
          type="button"
          className={TOGGLE_CLASS}
          aria-expanded={expanded}
          tabIndex={tabIndex}
          onClick={() => props.onToggle(name)}
          onPointerDown={event => dragCell(event, jobCell(name))}
        >
          <span className="jp-ByzerLab-rowTitle">
            <Caret.react tag="span" aria-hidden="true" />
            <span className="jp-ByzerLab-rowName" title={name}>
              {name}
            </span>
            {!expanded && <Sparkline points={points} />}
          </span>
          <span className="jp-ByzerLab-rowFacts">
            <StateBadge state={state} />
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
          </span>
        </button>
        <JobActions job={job} tabIndex={tabIndex} />
      </div>
      <JobActivity job={job} tabIndex={tabIndex} />
      {expanded && <JobDetails job={job} points={points} />}
    </li>
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
      <div className="jp-ByzerLab-rowActivity jp-mod-error">
        <span title={error?.message}>
          {firstLine(error?.message ?? trans.__('No reason was given.'))}
        </span>
        <TextButton
          tabIndex={tabIndex}
          onClick={() => run(CommandIDs.showJobLog, { job: spec.name })}
        >
          {trans.__('Log')}
        </TextButton>
      </div>
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
