// The view of one call: parameters, answers, code to copy, and a form to try it.

import {useEffect, useRef, useState} from 'preact/hooks'
import {EventStream, type State, type StreamEvent} from '../lib/event-stream'
import {identity} from '../lib/identity'
import {make, urlOf, type Answer} from '../lib/server'
import {LANGUAGES, snippet, type Language} from '../lib/snippets'
import {adviceOn, AnswerView} from '../ui/answer'
import {Code, Segments, Text} from '../ui/parts'
import {exampleOf, kindOf, limitsOf, resolve, type Document, type Operation, type Schema} from './document'
import {Method} from './reference'

interface Props {
  document: Document
  operation: Operation
  who: string
}

/** How much of a stream is shown here; the console shows more. */
const SHOWN = 30

export function OperationView({document, operation, who}: Props) {
  const [values, setValues] = useState<Record<string, string>>(() =>
    Object.fromEntries(operation.parameters.map(({name, required, example}) => [name, required && example ? String(example) : ''])),
  )
  const [body, setBody] = useState(() => (operation.body ? exampleOf(document, operation.body) : undefined))
  const [language, setLanguage] = useState<Language>('curl')
  const call = callOf(operation, values, body, who)
  return (
    <article class="operation" aria-label={operation.summary}>
      <header class="card">
        <p class="line path-line">
          <Method operation={operation} />
          <code>{operation.path}</code>
          <span class="chip">needs {operation.needs}</span>
        </p>
        <h2>{operation.summary}</h2>
        {operation.description && <Prose text={operation.description} />}
      </header>
      <div class="halves">
        <div class="stack">
          <section class="card" aria-label="Takes">
            <h2>Takes</h2>
            {operation.parameters.length === 0 && !operation.body && <p class="faint">Nothing.</p>}
            {operation.parameters.map((parameter) => (
              <div key={parameter.name} class="parameter">
                <Text
                  label={`${parameter.name} (${parameter.in}${parameter.required ? ', required' : ''})`}
                  value={values[parameter.name] ?? ''}
                  onValue={(value) => setValues({...values, [parameter.name]: value})}
                  placeholder={parameter.example ? String(parameter.example) : ''}
                  mono
                />
                <p class="hint">
                  <Prose text={parameter.description ?? ''} />
                  <span class="mono">{[kindOf(document, parameter.schema), limitsOf(document, parameter.schema)].filter(Boolean).join(', ')}</span>
                </p>
              </div>
            ))}
            {body !== undefined && (
              <>
                <Text label="Body (JSON)" value={body} onValue={setBody} lines={Math.min(12, body.split('\n').length + 1)} mono />
                {operation.body?.description && <p class="hint">{operation.body.description}</p>}
                <Fields document={document} schema={operation.body?.schema} />
              </>
            )}
          </section>
          <section class="card" aria-label="Answers">
            <h2>Answers</h2>
            {operation.answers.map(({status, description, media, schema}) => (
              <details key={status} class="answers" open={status === '200'}>
                <summary>
                  <span class={`chip ${status < '400' ? 'good' : 'bad'}`}>{status}</span> <Prose text={description} />
                </summary>
                {media && <p class="hint mono">{media}</p>}
                {status < '400' ? <Fields document={document} schema={schema} /> : <p class="hint">statusCode, error, message, code, details?</p>}
              </details>
            ))}
          </section>
        </div>
        <div class="stack">
          <section class="card" aria-label="Written out">
            <div class="line spread">
              <h2>Written out</h2>
              <Segments label="Language" value={language} options={LANGUAGES.map((value) => ({value, label: value}))} onValue={setLanguage} />
            </div>
            <Code text={snippet(language, call)} label="Snippet" />
          </section>
          <section class="card" aria-label="Try it">
            {operation.stream ? <TryStream call={call} /> : <TryCall call={call} />}
          </section>
        </div>
      </div>
    </article>
  )
}

type Written = Parameters<typeof snippet>[1]

function callOf(operation: Operation, values: Record<string, string>, body: string | undefined, who: string): Written {
  const query = new URLSearchParams()
  const headers: Record<string, string> = {}
  let path = operation.path
  for (const {name, in: where} of operation.parameters) {
    const value = values[name] ?? ''
    if (where === 'path') path = path.replace(`{${name}}`, value ? encodeURIComponent(value) : `{${name}}`)
    else if (value && where === 'query') query.set(name, value)
    else if (value) headers[name] = value
  }
  return {
    method: operation.method,
    path: path + (query.size > 0 ? `?${query}` : ''),
    token: identity(who).token,
    body: body === undefined ? undefined : compact(body),
    headers,
    stream: operation.stream,
  }
}

/** Text that is not JSON is sent unchanged, to show how the server refuses it. */
function compact(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body))
  } catch {
    return body
  }
}

function TryCall({call}: {call: Written}) {
  const [answer, setAnswer] = useState<Answer>()
  const [lost, setLost] = useState(false)
  const send = async () => {
    setLost(false)
    try {
      setAnswer(await make(call))
    } catch {
      setAnswer(undefined)
      setLost(true)
    }
  }
  return (
    <>
      <div class="line spread">
        <h2>Try it</h2>
        <button type="button" class="primary" onClick={() => void send()}>
          Send {call.method}
        </button>
      </div>
      {answer && <AnswerView answer={answer} />}
      {lost && <p class="trouble">No answer came.</p>}
    </>
  )
}

function TryStream({call}: {call: Written}) {
  const [state, setState] = useState<State>({is: 'closed'})
  const [events, setEvents] = useState<StreamEvent[]>([])
  const stream = useRef<EventStream>(undefined)
  useEffect(() => () => stream.current?.close(), [])
  const active = state.is !== 'closed' && state.is !== 'failed'
  const toggle = () => {
    if (active) return stream.current?.close()
    setEvents([])
    stream.current = new EventStream({
      url: urlOf(call.path),
      token: call.token,
      lastEventId: call.headers?.['Last-Event-ID'],
      onState: setState,
      onEvent: (event) => setEvents((before) => [...before, event].slice(-SHOWN)),
    })
    return stream.current.open()
  }
  const text = events.map(({event, id, data}) => `event: ${event}\ndata: ${data}\n${id ? `id: ${id}\n` : ''}`).join('\n')
  return (
    <>
      <div class="line spread">
        <h2>Try it</h2>
        <button type="button" class={active ? '' : 'primary'} onClick={toggle}>
          {active ? 'Close the stream' : 'Open the stream'}
        </button>
      </div>
      {state.is === 'failed' && (
        <div class="trouble" role="alert">
          <p>
            <span class="chip bad">{state.refusal.status}</span> {state.refusal.message}
          </p>
          {adviceOn(state.refusal.code) && <p>{adviceOn(state.refusal.code)}</p>}
        </div>
      )}
      {text && <Code text={text} label="Events" />}
    </>
  )
}

/** The fields of an object, those of objects within it indented. */
function Fields({document, schema, depth = 0}: {document: Document; schema: Schema | undefined; depth?: number}) {
  const whole = resolve(document, schema)
  const inner = whole.items ? resolve(document, whole.items) : whole
  const fields = Object.entries(inner.properties ?? {})
  if (fields.length === 0 || depth > 2) return null
  return (
    <dl class={`fields depth-${depth}`}>
      {fields.map(([name, field]) => {
        const description = resolve(document, field).description
        return (
          <div key={name}>
            <dt class="mono">
              {name}
              {!inner.required?.includes(name) && '?'}
            </dt>
            <dd>
              <span class="faint">{[kindOf(document, field), limitsOf(document, field)].filter(Boolean).join(', ')}</span>
              {description && <Prose text={description} />}
              <Fields document={document} schema={field} depth={depth + 1} />
            </dd>
          </div>
        )
      })}
    </dl>
  )
}

/** Text with `code` in it. */
function Prose({text}: {text: string}) {
  const parts = text.split('`')
  return <span class="prose">{parts.map((part, nth) => (nth % 2 === 1 ? <code key={nth}>{part}</code> : part))} </span>
}
