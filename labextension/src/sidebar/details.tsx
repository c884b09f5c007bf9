import { formatMemory, formatRate, formatValue } from '../format';
import type { IDeployment, IDeploymentSpec, IWorker } from '../tokens';
import { ErrorText, Fact, StateBadge } from './atoms';
import { useSidebar } from './context';

/** What an expanded row shows: the model's meta and its workers. */
export function Details(props: { deployment: IDeployment }): JSX.Element {
  const { trans } = useSidebar();
  const { spec, error, meta, workers } = props.deployment;
  const facts = Object.entries({
    ...settings(spec),
    ...meta
  }).filter(([, value]) => value !== null && !EMPTY.has(formatValue(value)));
  return (
    <div className="jp-ByzerLab-details">
      {error && <ErrorText message={error.message} />}
      <dl className="jp-ByzerLab-meta" aria-label={trans.__('Model')}>
        {facts.map(([key, value]) => (
          <Fact key={key} name={key} value={formatValue(value)} />
        ))}
      </dl>
      {workers.length > 0 && <WorkerTable workers={workers} />}
    </div>
  );
}

/** Values that tell nothing, such as the adapters of a model without any. */
const EMPTY = new Set(['', '[]', '{}']);

/** What the deployment was told, beside what its row shows. */
function settings(spec: IDeploymentSpec): Record<string, unknown> {
  const { workers = 1, min_workers = 1, max_workers = null } = spec;
  return {
    model_path: spec.model_path ?? '',
    pretrained_model_type: spec.pretrained_model_type ?? 'custom/auto',
    load_balance:
      workers > 1 || max_workers ? (spec.load_balance ?? 'lru') : '',
    autoscaling: max_workers ? `${min_workers} – ${max_workers}` : '',
    generation: spec.generation ?? {}
  };
}

function WorkerTable(props: { workers: IWorker[] }): JSX.Element {
  const { trans } = useSidebar();
  return (
    <table className="jp-ByzerLab-workers" aria-label={trans.__('Workers')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('In flight')}</th>
          <th scope="col">{trans.__('Queued')}</th>
          <th scope="col">{trans.__('tok/s')}</th>
          <th scope="col">{trans.__('Memory')}</th>
        </tr>
      </thead>
      {props.workers.map(worker => (
        <WorkerRows key={worker.id} worker={worker} />
      ))}
    </table>
  );
}

/** A worker takes two rows: nine columns don't fit into a sidebar. */
function WorkerRows(props: { worker: IWorker }): JSX.Element {
  const { id, index, state, phase, node, pid, load } = props.worker;
  const { trans } = useSidebar();
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={4}>
          <span className="jp-ByzerLab-workerFacts">
            <span title={trans.__('Number, for pins')}>{index}</span>
            <span className="jp-ByzerLab-workerId">{id}</span>
            <StateBadge state={state} />
            {phase && state !== 'ready' && <span>{phase}</span>}
            {node && <span title={trans.__('Node')}>{node}</span>}
            {pid > 0 && <span>{trans.__('process %1', pid)}</span>}
          </span>
        </th>
      </tr>
      <tr>
        <td>{load.in_flight}</td>
        <td>{load.queued}</td>
        <td>{formatRate(load.tokens_per_second)}</td>
        <td>{formatMemory(load.memory_mb)}</td>
      </tr>
    </tbody>
  );
}
