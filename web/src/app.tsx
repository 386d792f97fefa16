// The frame around the views: navigation, and the light or dark theme.
//
// Owns the address (`#/view/rest`) and the theme. Only the current view exists; a view itself keeps what must outlive it.

import {effect, signal} from '@preact/signals'
import {useEffect} from 'preact/hooks'
import {Console} from './console/console'
import {Dashboard} from './dashboard/dashboard'
import {Doctor} from './doctor/doctor'
import {about, learnAbout, unreachable} from './lib/server'
import {Reference} from './reference/reference'
import {Segments} from './ui/parts'

const VIEWS = [
  {key: 'console', label: 'Console', view: Console},
  {key: 'dashboard', label: 'Dashboard', view: Dashboard},
  {key: 'reference', label: 'Reference', view: Reference},
  {key: 'doctor', label: 'Doctor', view: Doctor},
] as const

export const route = signal(location.hash)
addEventListener('hashchange', () => {
  route.value = location.hash
})

type Theme = 'auto' | 'light' | 'dark'
const THEMES: {value: Theme; label: string}[] = [
  {value: 'auto', label: 'Auto'},
  {value: 'light', label: 'Light'},
  {value: 'dark', label: 'Dark'},
]
const theme = signal<Theme>((localStorage.getItem('tidings-theme') as Theme | null) ?? 'auto')
effect(() => {
  document.documentElement.dataset['theme'] = theme.value
  localStorage.setItem('tidings-theme', theme.value)
})

export function App() {
  useEffect(() => void learnAbout(), [])
  const [, name = '', ...rest] = route.value.split('/')
  const current = VIEWS.find(({key}) => key === name) ?? VIEWS[0]
  useEffect(() => {
    document.title = `${current.label} · Tidings`
  }, [current])
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault()
        document.getElementById('main')?.focus()
      }}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/console">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M9 16a7 7 0 0 1 7 7M9 9a14 14 0 0 1 14 14" />
            <circle cx="9.4" cy="22.6" r="2.4" />
          </svg>
          Tidings
          {about.value && <span class="version">{about.value.version}</span>}
        </a>
        <nav aria-label="Views">
          {VIEWS.map(({key, label}) => (
            <a key={key} href={`#/${key}`} aria-current={key === current.key ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <Segments label="Theme" value={theme.value} options={THEMES} onValue={(value) => (theme.value = value)} />
      </header>
      {unreachable.value && (
        <p class="banner" role="alert">
          The server does not answer. Trying again …
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {about.value && <current.view rest={rest} />}
      </main>
    </>
  )
}
