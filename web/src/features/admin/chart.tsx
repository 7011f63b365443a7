import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use as register, type EChartsType } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { Trans, useLingui } from '@lingui/react/macro';
import { useEffect, useRef, useState } from 'react';
import { Button } from '~/ui/button';
import { Td, Th, Table, Tr } from '~/ui/table';

register([BarChart, LineChart, GridComponent, TooltipComponent, SVGRenderer]);

export interface Series {
  name: string;
  shape: 'bar' | 'line';
  values: readonly number[];
  /** How a value is written. */
  format: (value: number) => string;
}

interface Props {
  title: string;
  /** The chart in a sentence: for those who do not see it and those in a hurry. */
  summary: string;
  /** Days, YYYY-MM-DD. */
  days: readonly string[];
  series: readonly Series[];
  /** Whether only whole numbers make sense on the axis. */
  whole?: boolean;
}

/** Roles, never colours: the first series speaks, the second answers. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const role = (name: string) => style.getPropertyValue(name).trim();
  return { series: [role('--accent'), role('--text-2')], text: role('--text-3'), line: role('--line'), surface: role('--surface-2'), ink: role('--text-1'), strong: role('--line-strong') };
}

export function Chart({ title, summary, days, series, whole }: Props) {
  const { t, i18n } = useLingui();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const [asTable, setAsTable] = useState(false);
  const locale = i18n.locale;

  useEffect(() => {
    const el = box.current;
    if (!el || asTable) return;
    const made = init(el, undefined, { renderer: 'svg' });
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(el);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, [asTable]);

  useEffect(() => {
    const draw = () => {
      const made = chart.current;
      if (!made) return;
      const colours = palette();
      const short = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
      made.setOption(
        {
          animation: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
          animationDuration: 200,
          color: colours.series,
          textStyle: { fontFamily: 'inherit', color: colours.text },
          grid: { left: 4, right: 4, top: 12, bottom: 2, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
          tooltip: {
            trigger: 'axis',
            confine: true,
            backgroundColor: colours.surface,
            borderColor: colours.line,
            textStyle: { color: colours.ink, fontSize: 12, fontFamily: 'inherit' },
            axisPointer: { lineStyle: { color: colours.strong }, shadowStyle: { color: colours.line, opacity: 0.5 }, type: series[0]?.shape === 'bar' ? 'shadow' : 'line' },
          },
          xAxis: {
            type: 'category',
            data: days.map((day) => short.format(new Date(day))),
            axisLine: { lineStyle: { color: colours.line } },
            axisTick: { show: false },
            axisLabel: { color: colours.text, fontSize: 11, hideOverlap: true },
          },
          yAxis: {
            type: 'value',
            minInterval: whole ? 1 : undefined,
            splitNumber: 3,
            axisLabel: { color: colours.text, fontSize: 11, formatter: series[0]?.format },
            splitLine: { lineStyle: { color: colours.line } },
          },
          series: series.map((s) => ({
            name: s.name,
            type: s.shape,
            data: [...s.values],
            barMaxWidth: 18,
            itemStyle: s.shape === 'bar' ? { borderRadius: [2, 2, 0, 0] } : undefined,
            lineStyle: { width: 2 },
            showSymbol: days.length <= 7,
            symbolSize: 5,
            tooltip: { valueFormatter: (value: unknown) => s.format(Number(value)) },
          })),
        },
        { notMerge: true },
      );
    };
    draw();
    // Another theme is other colours for the same roles.
    const themes = new MutationObserver(draw);
    themes.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => themes.disconnect();
  }, [days, series, locale, whole, asTable]);

  const long = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });
  return (
    <figure className="min-w-0">
      <figcaption className="mb-2">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <h2 className="text-sm font-semibold">{title}</h2>
          <Button size="sm" variant="ghost" aria-pressed={asTable} onClick={() => setAsTable(!asTable)} aria-label={t`${title}: as a table`}>
            {asTable ? <Trans>As a chart</Trans> : <Trans>As a table</Trans>}
          </Button>
        </div>
        <p className="text-sm text-text-2">{summary}</p>
        {series.length > 1 && (
          <p className="mt-1 flex gap-4 text-xs text-text-3">
            {series.map((s, i) => (
              <span key={s.name} className="inline-flex items-center gap-1.5">
                <span aria-hidden className={i === 0 ? 'size-2.5 rounded-sm bg-accent' : 'h-0.5 w-3.5 bg-text-2'} />
                {s.name}
              </span>
            ))}
          </p>
        )}
      </figcaption>
      {asTable ? (
        <Table label={title} className="h-56">
          <thead>
            <tr>
              <Th>
                <Trans>Day</Trans>
              </Th>
              {series.map((s) => (
                <Th key={s.name} className="text-right">
                  {s.name}
                </Th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days
              .map((day, i) => (
                <Tr key={day}>
                  <Td className="h-9 whitespace-nowrap">{long.format(new Date(day))}</Td>
                  {series.map((s) => (
                    <Td key={s.name} className="h-9 text-right">
                      {s.format(s.values[i] ?? 0)}
                    </Td>
                  ))}
                </Tr>
              ))
              .reverse()}
          </tbody>
        </Table>
      ) : (
        <div ref={box} aria-hidden className="h-56 w-full" />
      )}
    </figure>
  );
}
