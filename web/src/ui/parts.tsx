// The small parts that every view is made of.
//
// Must never know what they show: no call, no stream, no state but their own.

import type {ComponentChildren, TargetedInputEvent} from 'preact'
import {useEffect, useId, useRef, useState} from 'preact/hooks'

interface FieldProps {
  label: string
  hint?: ComponentChildren
  children: (id: string) => ComponentChildren
}

/** A control under its label. */
export function Field({label, hint, children}: FieldProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id)}
      {hint && <p class="hint">{hint}</p>}
    </div>
  )
}

interface TextProps {
  label: string
  value: string
  onValue: (value: string) => void
  placeholder?: string
  list?: string[]
  lines?: number
  disabled?: boolean
  mono?: boolean
  secret?: boolean
}

export function Text({label, value, onValue, placeholder, list, lines, disabled, mono, secret = false}: TextProps) {
  const options = useId()
  const shared = {
    value,
    placeholder,
    disabled,
    spellcheck: false,
    autocomplete: 'off',
    class: mono ? 'mono' : undefined,
    onInput: (event: TargetedInputEvent<HTMLInputElement | HTMLTextAreaElement>) => onValue(event.currentTarget.value),
  } as const
  return (
    <Field label={label}>
      {(id) =>
        lines ? (
          <textarea id={id} rows={lines} {...shared} />
        ) : (
          <>
            {secret && <input id={id} type="password" {...shared} />}
            {!secret && (list ? <input id={id} list={options} {...shared} /> : <input id={id} type="text" {...shared} />)}
            {list && (
              <datalist id={options}>
                {list.map((one) => (
                  <option key={one} value={one} />
                ))}
              </datalist>
            )}
          </>
        )
      }
    </Field>
  )
}

interface ChoiceProps {
  label: string
  value: string
  options: readonly (string | {value: string; label: string})[]
  onValue: (value: string) => void
  disabled?: boolean
}

export function Choice({label, value, options, onValue, disabled}: ChoiceProps) {
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} value={value} disabled={disabled} onChange={(event) => onValue(event.currentTarget.value)}>
          {options.map((option) => {
            const {value: key, label: text} = typeof option === 'string' ? {value: option, label: option} : option
            return (
              <option key={key} value={key} selected={key === value}>
                {text}
              </option>
            )
          })}
        </select>
      )}
    </Field>
  )
}

interface SegmentsProps<Key extends string> {
  label: string
  value: Key
  options: readonly {value: Key; label: string}[]
  onValue: (value: Key) => void
}

/** One of a few, all of them seen: a group of radio buttons, which the arrow keys move through. */
export function Segments<Key extends string>({label, value, options, onValue}: SegmentsProps<Key>) {
  const name = useId()
  return (
    <fieldset class="segments">
      <legend class="unseen">{label}</legend>
      {options.map((option) => (
        <label key={option.value} class={option.value === value ? 'chosen' : ''}>
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onValue(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  )
}

/** Copies, and says for a moment that it did. */
export function Copy({text, label = 'Copy'}: {text: string; label?: string}) {
  const [said, say] = useState('')
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      say('Copied')
    } catch {
      say('The browser does not allow it')
    }
    clearTimeout(timer.current)
    timer.current = setTimeout(() => say(''), 1_500)
  }
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      <span aria-live="polite">{said || label}</span>
    </button>
  )
}

/** Lines of code that can be scrolled with the keyboard and copied. */
export function Code({text, label, copy = true}: {text: string; label: string; copy?: boolean}) {
  return (
    <div class="code">
      <pre tabIndex={0} role="region" aria-label={label}>
        <code>{text}</code>
      </pre>
      {copy && <Copy text={text} />}
    </div>
  )
}

export function Empty({children}: {children: ComponentChildren}) {
  return <div class="empty">{children}</div>
}
