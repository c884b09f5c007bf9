import { addBelowIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';

import { CommandIDs } from '../commands';
import { hasEnded } from '../jobs';
import type { IJob } from '../tokens';
import { IconButton, TextButton } from './atoms';
import { useSidebar } from './context';
import { JobRow } from './jobRow';
import { useRows } from './rows';

/** So many jobs that have ended are shown until all are wanted. */
const ENDED_SHOWN = 20;

/** The list of training jobs: those under way, then those that ended, the newest first. */
export function JobList(props: { jobs: readonly IJob[] }): JSX.Element {
  const { jobs } = props;
  const { trans, run, curves, readOnly } = useSidebar();
  const [all, setAll] = useState(false);
  const active = jobs.filter(job => !hasEnded(job));
  const ended = jobs.filter(hasEnded);
  const shown = [...active, ...(all ? ended : ended.slice(0, ENDED_SHOWN))];
  const rows = useRows(shown.map(({ spec }) => spec.name));
  useEffect(
    () => curves.keep(new Set(jobs.map(({ id }) => id))),
    [curves, jobs]
  );
  return (
    <section aria-label={trans.__('Jobs')}>
      <h2 className="jp-ByzerLab-sectionTitle">
        {trans.__('Jobs')}
        <span className="jp-ByzerLab-count">
          {active.length > 0
            ? trans.__('%1 of %2 active', active.length, jobs.length)
            : jobs.length}
        </span>
        {!readOnly && (
          <IconButton
            icon={addBelowIcon}
            label={trans.__('Insert a cell that finetunes a model')}
            onClick={() => run(CommandIDs.insertFinetuneCell)}
          />
        )}
      </h2>
      <ul className="jp-ByzerLab-list" onKeyDown={rows.onKeyDown}>
        {shown.map(job => (
          <JobRow
            key={job.id}
            job={job}
            expanded={rows.isExpanded(job.spec.name)}
            reachable={job.spec.name === rows.reachable}
            onToggle={rows.toggle}
            onFocus={rows.setCurrent}
          />
        ))}
      </ul>
      {shown.length < jobs.length && (
        <div className="jp-ByzerLab-more">
          <TextButton onClick={() => setAll(true)}>
            {trans.__('Show %1 more', jobs.length - shown.length)}
          </TextButton>
        </div>
      )}
    </section>
  );
}
