// Formats numbers, times and JSON for the page.

const TIME = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3})
const WHOLE = new Intl.NumberFormat('en-US')

export const timeOf = (ms: number): string => TIME.format(ms)

export const count = (value: number): string => WHOLE.format(value)

export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`

/** Formats a duration in a fitting unit: `8 ms`, `1.4 s`, `3 min`, `5 h`. */
export function span(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${ms.toFixed(0)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 120_000) return `${(ms / 1_000).toFixed(0)} s`
  if (ms < 7_200_000) return `${(ms / 60_000).toFixed(0)} min`
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(0)} h`
  return `${(ms / 86_400_000).toFixed(0)} d`
}

export function bytes(value: number): string {
  if (value < 1_024) return `${value} B`
  if (value < 1_048_576) return `${(value / 1_024).toFixed(0)} KiB`
  if (value < 1_073_741_824) return `${(value / 1_048_576).toFixed(value < 10_485_760 ? 1 : 0)} MiB`
  return `${(value / 1_073_741_824).toFixed(1)} GiB`
}

/** Formats JSON over several lines. Other text stays unchanged. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** Summarizes an event in one line. */
export function summary(event: string, text: string): string {
  let data: Record<string, unknown>
  try {
    data = JSON.parse(text) as Record<string, unknown>
  } catch {
    return text
  }
  const of = (name: string) => (data[name] === undefined || data[name] === null ? '' : String(data[name]))
  switch (event) {
    case 'notification':
      return join(of('title'), of('message'))
    case 'realtime-update':
      return join(`${of('entity')} ${of('action')}`, JSON.stringify(data['data']))
    case 'chat-message':
      return join(`#${of('roomId')} ${of('username')}`, of('message'))
    case 'typing':
      return `#${of('roomId')} ${of('username')} is typing`
    case 'system-status':
      return join(`${of('service')} is ${of('status')}`, of('message'))
    case 'connected':
      return join(data['userId'] ? `as ${of('userId')}` : 'anonymous', data['resumed'] ? 'resumed' : '')
    case 'heartbeat':
      return of('timestamp')
    case 'reset':
      return join(of('reason'), `asked for ${of('requested')}, goes on from ${of('resumedFrom')}`)
    case 'busy':
    case 'draining':
    case 'revoked':
    case 'slow':
    case 'expired':
      return join(of('reason'), data['reconnect'] ? 'come back' : 'do not come back with this token')
    default:
      return text
  }
}

const join = (...parts: string[]): string => parts.filter(Boolean).join(' · ')
