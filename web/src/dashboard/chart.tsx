// A chart of lines over time, drawn by uPlot in the colours of the page.
//
// Owns the chart: it is created again when the lines or the theme change, and updated when there is new data.

import {useEffect, useRef, useState} from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export interface Line {
  label: string
  /** The custom property of the theme with its colour. */
  color: string
  values: (number | null)[]
}

interface Props {
  title: string
  times: number[]
  lines: Line[]
  /** Formats a value. */
  write: (value: number) => string
}

const HEIGHT = 180

/** Formats a time of day with seconds. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300]

/** Only whole numbers, because there is no half stream. */
const STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power))

export function Chart({title, times, lines, write}: Props) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const theme = useTheme()
  const names = lines.map(({label, color}) => `${label} ${color}`).join('|')

  useEffect(() => {
    const element = place.current
    if (!element) return undefined
    const color = (name: string) => {
      element.style.color = `var(${name})`
      return getComputedStyle(element).color
    }
    const axis = {stroke: color('--faint'), grid: {stroke: color('--line'), width: 1}, ticks: {show: false}, font: '11px system-ui'}
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        cursor: {y: false, points: {size: 5}},
        legend: {live: true},
        scales: {x: {time: true}, y: {range: (_, __, most) => [0, Math.max(1, most * 1.1)]}},
        axes: [
          {...axis, size: 26, incrs: SECONDS, values: (_, splits) => splits.map(clock)},
          {...axis, size: 52, incrs: STEPS, values: (_, splits) => splits.map(write)},
        ],
        series: [
          {label: 'Time', value: (_, at) => (at === null ? '–' : clock(at))},
          ...lines.map(({label, color: name}) => ({
            label,
            stroke: color(name),
            width: 1.75,
            points: {show: false},
            value: (_: uPlot, value: number | null) => (value === null ? '–' : write(value)),
          })),
        ],
      },
      [times, ...lines.map(({values}) => values)],
      element,
    )
    plot.current = made
    const resized = new ResizeObserver(() => made.setSize({width: element.clientWidth, height: HEIGHT}))
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
    }
  }, [names, theme])

  useEffect(() => {
    plot.current?.setData([times, ...lines.map(({values}) => values)])
    // The legend shows the newest values, unless the pointer is on the chart.
    if (plot.current?.cursor.idx == null) plot.current?.setLegend({idx: times.length - 1}, false)
  }, [times, lines, names, theme])

  const last = lines.map(({label, values}) => `${label} ${write(values.at(-1) ?? 0)}`).join(', ')
  return (
    <figure class="card chart">
      <figcaption>
        <h2>{title}</h2>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title} over the last minutes; now ${last || 'nothing'}`} />
    </figure>
  )
}

const CLOCK = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'})
const clock = (seconds: number): string => CLOCK.format(seconds * 1_000)

/** Changes whenever the colours change. */
function useTheme(): string {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const read = () => `${document.documentElement.dataset['theme']} ${dark.matches}`
  const [theme, setTheme] = useState(read())
  useEffect(() => {
    const look = () => setTheme(read())
    const watched = new MutationObserver(look)
    watched.observe(document.documentElement, {attributeFilter: ['data-theme']})
    dark.addEventListener('change', look)
    return () => {
      watched.disconnect()
      dark.removeEventListener('change', look)
    }
  }, [])
  return theme
}
