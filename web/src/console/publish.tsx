// Publishes by hand: a form for each call, the request that it makes, and the answer.

import {signal} from '@preact/signals'
import {useState} from 'preact/hooks'
import {identity} from '../lib/identity'
import {published} from '../lib/latency'
import {make, type Answer} from '../lib/server'
import {LANGUAGES, snippet, type Language} from '../lib/snippets'
import {AnswerView} from '../ui/answer'
import {IdentityChoice} from '../ui/identity'
import {Choice, Code, Segments, Text} from '../ui/parts'
import {FORMS, requestOf, startOf, type Form, type FormField} from './forms'
import type {Panel} from './panel'

const chosen = signal<Form>(FORMS[0] as Form)
const values = signal<Record<string, Record<string, string>>>(
  Object.fromEntries(FORMS.map((form) => [form.key, startOf(form)])),
)
const who = signal('')

export function Publish({panels}: {panels: Panel[]}) {
  const [answer, setAnswer] = useState<Answer>()
  const [lost, setLost] = useState('')
  const [busy, setBusy] = useState(false)
  const [language, setLanguage] = useState<Language>('curl')
  const form = chosen.value
  const filled = values.value[form.key] ?? {}
  const call = requestOf(form, filled, identity(who.value).token)
  const watched = panels.map((panel) => identity(panel.who.value).user).filter(Boolean)

  const send = async () => {
    if ('problem' in call) return
    setBusy(true)
    setLost('')
    try {
      const got = await make(call)
      const id = (got.body as {eventId?: string} | null)?.eventId
      if (id) published(id, got.sentAt)
      setAnswer(got)
    } catch {
      setAnswer(undefined)
      setLost('No answer came. Whether the event is in the log is unknown; with an Idempotency-Key the call could be repeated.')
    }
    setBusy(false)
  }

  return (
    <section class="card publish" aria-label="Publish">
      <header class="panel-head">
        <h2>Publish</h2>
        <span class="hint">needs {form.needs}</span>
      </header>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <div class="row">
          <Choice
            label="What"
            value={form.key}
            options={FORMS.map(({key, label}) => ({value: key, label}))}
            onValue={(key) => (chosen.value = FORMS.find((one) => one.key === key) ?? form)}
          />
          <IdentityChoice value={who.value} onValue={(key) => (who.value = key)} />
        </div>
        <div class="grid">
          {form.fields.map((field) => (
            <Control
              key={`${form.key}-${field.name}`}
              field={field.name === 'targetUserId' ? {...field, list: [...new Set([...watched, ...(field.list ?? [])])]} : field}
              value={filled[field.name] ?? ''}
              onValue={(value) => {
                values.value = {...values.value, [form.key]: {...filled, [field.name]: value}}
              }}
            />
          ))}
        </div>
        {'problem' in call && (
          <p class="trouble" role="alert">
            {call.problem}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy || 'problem' in call}>
          {busy ? 'Publishing …' : 'Publish'}
        </button>
      </form>
      {!('problem' in call) && (
        <div class="stack">
          <div class="line spread">
            <h3>The request</h3>
            <Segments
              label="Language"
              value={language}
              options={LANGUAGES.map((value) => ({value, label: value}))}
              onValue={setLanguage}
            />
          </div>
          <Code text={snippet(language, call)} label="The request" />
        </div>
      )}
      {(answer || lost) && (
        <div class="stack">
          <h3>The answer</h3>
          {answer && <AnswerView answer={answer} />}
          {lost && (
            <p class="trouble" role="alert">
              {lost}
            </p>
          )}
        </div>
      )}
    </section>
  )
}

function Control({field, value, onValue}: {field: FormField; value: string; onValue: (value: string) => void}) {
  if (field.options) return <Choice label={field.label} value={value} options={field.options} onValue={onValue} />
  return (
    <div class={field.lines || field.wide ? 'wide' : ''}>
      <Text
        label={field.label}
        value={value}
        onValue={onValue}
        {...(field.lines ? {lines: field.lines} : {})}
        {...(field.list ? {list: field.list} : {})}
        {...(field.placeholder ? {placeholder: field.placeholder} : {})}
        {...(field.json ? {mono: true} : {})}
      />
    </div>
  )
}
