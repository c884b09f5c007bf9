import {
  type KeyboardEvent,
  type PointerEvent,
  useMemo,
  useState
} from 'react';

import {
  dotsPath,
  extentOf,
  HEIGHT,
  type Figure,
  type IExtent,
  type IMark,
  linePath,
  marksOf,
  nearest,
  place,
  thinned,
  WIDTH
} from '../chart';
import { formatFigure } from '../format';
import type { IJobPoint } from '../tokens';
import { useSidebar } from './context';

const FIGURES: Figure[] = [
  'loss',
  'learning_rate',
  'tokens_per_second',
  'grad_norm'
];

const VIEW_BOX = `0 0 ${WIDTH} ${HEIGHT}`;

/** The loss in the space of a word. */
export function Sparkline(props: {
  points: readonly IJobPoint[];
}): JSX.Element | null {
  const marks = useMemo(
    () => thinned(marksOf(props.points, 'loss'), 60),
    [props.points]
  );
  const extent = extentOf(marks);
  return extent && marks.length > 1 ? (
    <svg
      className="jp-ByzerLab-sparkline"
      viewBox={VIEW_BOX}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path d={linePath(marks, extent)} />
    </svg>
  ) : null;
}

/** The curves of a job: one figure at a time over the steps. */
export function JobChart(props: {
  points: readonly IJobPoint[];
}): JSX.Element | null {
  const { points } = props;
  const { trans } = useSidebar();
  const [chosen, setChosen] = useState<Figure>('loss');
  const names: Record<string, string> = {
    loss: trans.__('Loss'),
    learning_rate: trans.__('Learning rate'),
    tokens_per_second: trans.__('Tokens per second'),
    grad_norm: trans.__('Gradient norm')
  };
  const measured = useMemo(
    () =>
      FIGURES.filter(
        figure =>
          marksOf(points, figure).length > 0 ||
          (figure === 'loss' && marksOf(points, 'eval_loss').length > 0)
      ),
    [points]
  );
  const figure = measured.includes(chosen) ? chosen : measured[0];
  if (!figure) {
    return null;
  }
  return (
    <div className="jp-ByzerLab-chart">
      <select
        aria-label={trans.__('Figure')}
        value={figure}
        onChange={event => setChosen(event.target.value as Figure)}
      >
        {measured.map(each => (
          <option key={each} value={each}>
            {names[each]}
          </option>
        ))}
      </select>
      <Plot points={points} figure={figure} name={names[figure] ?? figure} />
    </div>
  );
}

function Plot(props: {
  points: readonly IJobPoint[];
  figure: Figure;
  name: string;
}): JSX.Element | null {
  const { points, figure, name } = props;
  const { trans } = useSidebar();
  const [read, setRead] = useState<number | null>(null);
  const main = useMemo(
    () => thinned(marksOf(points, figure)),
    [points, figure]
  );
  const evaluated = useMemo(
    () => (figure === 'loss' ? thinned(marksOf(points, 'eval_loss')) : []),
    [points, figure]
  );
  const extent = extentOf([...main, ...evaluated]);
  const drawn = main.length > 0 ? main : evaluated;
  const mark = read === null ? drawn[drawn.length - 1] : nearest(drawn, read);
  if (!extent || !mark) {
    return null;
  }
  const atStep = evaluated.find(({ step }) => step === mark.step);
  const reading =
    atStep && atStep !== mark
      ? trans.__(
          'step %1: %2, held out %3',
          mark.step,
          formatFigure(mark.value),
          formatFigure(atStep.value)
        )
      : trans.__('step %1: %2', mark.step, formatFigure(mark.value));
  const move = (by: number) => {
    const at = drawn.indexOf(mark) + by;
    setRead(drawn[Math.max(0, Math.min(drawn.length - 1, at))]?.step ?? null);
  };
  return (
    <>
      <output className="jp-ByzerLab-reading" aria-hidden="true">
        {reading}
      </output>
      <div className="jp-ByzerLab-plot">
        <div className="jp-ByzerLab-values" aria-hidden="true">
          <span>{formatFigure(extent.high)}</span>
          <span>{formatFigure(extent.low)}</span>
        </div>
        <div
          className="jp-ByzerLab-canvas"
          role="slider"
          tabIndex={0}
          aria-label={trans.__('%1 over the steps', name)}
          aria-valuemin={extent.first}
          aria-valuemax={extent.last}
          aria-valuenow={mark.step}
          aria-valuetext={reading}
          onKeyDown={event => onKey(event, move, drawn.length)}
          onPointerMove={event => setRead(stepAt(event, extent))}
          onPointerLeave={() => setRead(null)}
          onBlur={() => setRead(null)}
        >
          <Drawing
            main={main}
            evaluated={evaluated}
            extent={extent}
            mark={read === null ? null : mark}
          />
        </div>
        <div className="jp-ByzerLab-steps" aria-hidden="true">
          <span>{extent.first}</span>
          <span>{trans.__('step')}</span>
          <span>{extent.last}</span>
        </div>
      </div>
      {evaluated.length > 0 && (
        <p className="jp-ByzerLab-legend">
          <span className="jp-mod-trained">{trans.__('trained on')}</span>
          <span className="jp-mod-heldOut">{trans.__('held out')}</span>
        </p>
      )}
    </>
  );
}

function Drawing(props: {
  main: IMark[];
  evaluated: IMark[];
  extent: IExtent;
  mark: IMark | null;
}): JSX.Element {
  const { main, evaluated, extent, mark } = props;
  return (
    <svg viewBox={VIEW_BOX} preserveAspectRatio="none" aria-hidden="true">
      <path
        className="jp-ByzerLab-grid"
        d={[0, 0.5, 1].map(y => `M0 ${y * HEIGHT}h${WIDTH}`).join('')}
      />
      {main.length > 0 && <path d={linePath(main, extent)} />}
      {main.length === 1 && (
        <path className="jp-mod-dots" d={dotsPath(main, extent)} />
      )}
      {evaluated.length > 0 && (
        <g className="jp-mod-heldOut">
          <path d={linePath(evaluated, extent)} />
          <path className="jp-mod-dots" d={dotsPath(evaluated, extent)} />
        </g>
      )}
      {mark && (
        <g className="jp-ByzerLab-reader">
          <path d={`M${place(mark, extent)[0]} 0v${HEIGHT}`} />
          <path className="jp-mod-dots" d={dotsPath([mark], extent)} />
        </g>
      )}
    </svg>
  );
}

function stepAt(event: PointerEvent, { first, last }: IExtent): number {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  return first + ((event.clientX - left) / (width || 1)) * (last - first);
}

function onKey(
  event: KeyboardEvent,
  move: (by: number) => void,
  all: number
): void {
  const by: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    PageUp: 10,
    PageDown: -10,
    Home: -all,
    End: all
  };
  const amount = by[event.key];
  if (amount !== undefined) {
    move(amount);
    event.preventDefault();
  }
}
