import {
  formatDuration,
  formatFigure,
  formatMemory,
  formatValue
} from '../format';
import { hasEnded } from '../jobs';
import { warningIcon } from '../icons';
import type { IJob, IJobPoint } from '../tokens';
import { CopyButton, ErrorText, Fact } from './atoms';
import { JobChart } from './chart';
import { useSidebar } from './context';

/** What an expanded row shows: curves, figures, checkpoints, what was made and what was asked. */
export function JobDetails(props: {
  job: IJob;
  points: readonly IJobPoint[];
}): JSX.Element {
  const { job, points } = props;
  const { trans } = useSidebar();
  return (
    <div className="jp-ByzerLab-details">
      {job.error && <ErrorText message={job.error.message} />}
      {job.warnings.map(warning => (
        <p className="jp-ByzerLab-jobWarning" key={warning}>
          <warningIcon.react tag="span" aria-hidden="true" />
          <span>{warning}</span>
        </p>
      ))}
      <JobChart points={points} />
      <Facts label={trans.__('Figures')} facts={figuresOf(job)} />
      <Facts label={trans.__('Result')} title facts={shown(job.result)} />
      <Checkpoints job={job} />
      <Facts
        label={trans.__('Made')}
        title
        facts={Object.entries(job.artefacts)}
      />
      <Facts label={trans.__('Asked for')} title facts={askedFor(job)} />
    </div>
  );
}

type Facts = [string, string][];

function Facts(props: {
  label: string;
  /** Whether the label is shown. */
  title?: boolean;
  facts: Facts;
}): JSX.Element | null {
  const { label, title, facts } = props;
  return facts.length === 0 ? null : (
    <>
      {title && <h3 className="jp-ByzerLab-partTitle">{label}</h3>}
      <dl className="jp-ByzerLab-meta" aria-label={label}>
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
    </>
  );
}

function Checkpoints(props: { job: IJob }): JSX.Element | null {
  const { trans } = useSidebar();
  const { checkpoints } = props.job;
  return checkpoints.length === 0 ? null : (
    <>
      <h3 className="jp-ByzerLab-partTitle">{trans.__('Checkpoints')}</h3>
      <ul
        className="jp-ByzerLab-checkpoints"
        aria-label={trans.__('Checkpoints')}
      >
        {checkpoints.map(({ step, path }) => (
          <li key={path} title={path}>
            {trans.__('step %1', step)}
            <CopyButton
              text={path}
              label={trans.__('Copy the path of step %1', step)}
            />
          </li>
        ))}
      </ul>
    </>
  );
}

function figuresOf(job: IJob): Facts {
  const { point, state } = job;
  const figures: [string, string | false | undefined][] = [
    ['epoch', job.epoch > 0 && formatFigure(job.epoch)],
    ['learning_rate', figure(point.learning_rate)],
    ['tokens_per_second', figure(point.tokens_per_second)],
    ['grad_norm', figure(point.grad_norm)],
    ['tokens', job.tokens > 0 && job.tokens.toLocaleString('en')],
    ['memory', job.memory_mb > 0 && formatMemory(job.memory_mb)],
    ['gpu_memory', job.gpu_memory_mb > 0 && formatMemory(job.gpu_memory_mb)],
    [
      'eta',
      state === 'running' && job.eta_s !== null && formatDuration(job.eta_s)
    ],
    ['node', !hasEnded(job) && job.node],
    ['process', !hasEnded(job) && job.pid > 0 && String(job.pid)]
  ];
  return figures.filter((entry): entry is [string, string] => !!entry[1]);
}

function figure(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatFigure(value);
}

function askedFor({ spec }: IJob): Facts {
  const { workers = 1, model_type = 'sft/auto', parameters = {} } = spec;
  return shown({
    model_path: spec.model_path,
    pretrained_model_type: model_type,
    data: spec.data_path,
    workers: workers > 1 ? workers : '',
    folder: spec.folder,
    ...parameters
  });
}

function shown(values: Record<string, unknown>): Facts {
  return Object.entries(values)
    .filter(
      ([, value]) => value !== undefined && value !== null && value !== ''
    )
    .map(([name, value]) => [
      name,
      typeof value === 'number' ? formatFigure(value) : formatValue(value)
    ]);
}
