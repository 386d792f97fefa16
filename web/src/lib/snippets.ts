// Writes a call or a stream as code to copy: curl, JavaScript, Python, Rust.
//
// Owns the quoting. Must never shorten or mask a token, because a snippet must work unchanged.

import {headersOf, urlOf, type Call} from './server'

export const LANGUAGES = ['curl', 'JavaScript', 'Python', 'Rust'] as const
export type Language = (typeof LANGUAGES)[number]

export interface Wanted extends Call {
  /** Whether the answer is an event stream. */
  stream?: boolean
  lastEventId?: string | undefined
}

export function snippet(language: Language, wanted: Wanted): string {
  const headers = {
    ...headersOf(wanted),
    ...(wanted.lastEventId ? {'Last-Event-ID': wanted.lastEventId} : {}),
  }
  const make = {curl, JavaScript: javascript, Python: python, Rust: rust}[language]
  return make(wanted, urlOf(wanted.path), headers)
}

function curl(wanted: Wanted, url: string, headers: Record<string, string>): string {
  const implied = wanted.method === 'GET' || (wanted.method === 'POST' && wanted.body !== undefined)
  const lines = [
    `curl ${wanted.stream ? '-N ' : ''}${implied ? '' : `-X ${wanted.method} `}${shell(url)}`,
    ...Object.entries(headers).map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`),
    ...(wanted.body === undefined ? [] : [`-d ${shell(wanted.body)}`]),
  ]
  return lines.join(' \\\n  ')
}

/** Quotes a text with single quotes, inside which a shell changes nothing. */
function shell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function javascript(wanted: Wanted, url: string, headers: Record<string, string>): string {
  if (wanted.stream) {
    const target = new URL(url)
    if (wanted.token) target.searchParams.set('token', wanted.token)
    if (wanted.lastEventId) target.searchParams.set('lastEventId', wanted.lastEventId)
    return [
      `const stream = new EventSource(${quoted(target.href)})`,
      `stream.addEventListener('connected', (event) => console.log(JSON.parse(event.data)))`,
      `stream.addEventListener(${quoted(eventOf(wanted.path))}, (event) => console.log(event.lastEventId, JSON.parse(event.data)))`,
      `stream.addEventListener('reset', () => console.log('read your state anew'))`,
    ].join('\n')
  }
  const options = [
    ...(wanted.method === 'GET' ? [] : [`  method: ${quoted(wanted.method)},`]),
    ...(Object.keys(headers).length === 0
      ? []
      : ['  headers: {', ...Object.entries(headers).map(([name, value]) => `    ${quoted(name)}: ${quoted(value)},`), '  },']),
    ...(wanted.body === undefined ? [] : [`  body: JSON.stringify(${indented(wanted.body, 2)}),`]),
  ]
  const call = options.length === 0 ? `fetch(${quoted(url)})` : `fetch(${quoted(url)}, {\n${options.join('\n')}\n})`
  return `const answer = await ${call}\nconsole.log(answer.status, await answer.json())`
}

function python(wanted: Wanted, url: string, headers: Record<string, string>): string {
  const dict = Object.entries(headers).map(([name, value]) => `    ${quoted(name)}: ${quoted(value)},`)
  const head = dict.length === 0 ? '' : `headers = {\n${dict.join('\n')}\n}\n`
  const given = dict.length === 0 ? '' : ', headers=headers'
  if (wanted.stream) {
    return [
      `import httpx\nfrom httpx_sse import connect_sse\n\n${head}`.trimEnd(),
      `with httpx.Client(timeout=httpx.Timeout(10, read=90)) as client:`,
      `    with connect_sse(client, "GET", ${quoted(url)}${given}) as source:`,
      `        for event in source.iter_sse():`,
      `            print(event.event, event.id, event.json())`,
    ].join('\n')
  }
  const body = wanted.body === undefined ? '' : `, content=r"""${wanted.body}"""`
  return `import httpx\n\n${head}answer = httpx.request("${wanted.method}", ${quoted(url)}${given}${body})\nprint(answer.status_code, answer.json())`
}

function rust(wanted: Wanted, url: string, headers: Record<string, string>): string {
  const chain = [
    `    .${wanted.method === 'GET' ? 'get' : wanted.method.toLowerCase()}(${quoted(url)})`,
    ...Object.entries(headers).map(([name, value]) => `    .header(${quoted(name)}, ${quoted(value)})`),
    ...(wanted.body === undefined ? [] : [`    .body(r#"${wanted.body}"#)`]),
    `    .send()\n    .await?;`,
  ].join('\n')
  if (wanted.stream) {
    return [
      `use eventsource_stream::Eventsource;\nuse futures_util::StreamExt;\n`,
      `let response = reqwest::Client::new()\n${chain}`,
      `let mut events = response.bytes_stream().eventsource();`,
      `while let Some(event) = events.next().await.transpose()? {`,
      `    println!("{} {} {}", event.event, event.id, event.data);`,
      `}`,
    ].join('\n')
  }
  return `let answer = reqwest::Client::new()\n${chain}\nprintln!("{} {}", answer.status(), answer.text().await?);`
}

/** Returns a string literal that JavaScript, Python and Rust accept, for text without unusual control characters. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function indented(json: string, by: number): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2).replaceAll('\n', `\n${' '.repeat(by)}`)
  } catch {
    return json
  }
}

/** Returns the name of the main event of a stream. */
export function eventOf(path: string): string {
  if (path.startsWith('/notifications')) return 'notification'
  if (path.startsWith('/realtime')) return 'realtime-update'
  if (path.startsWith('/chat')) return 'chat-message'
  if (path.startsWith('/system/status')) return 'system-status'
  if (path.startsWith('/system/dashboard')) return 'stats'
  return 'heartbeat'
}
