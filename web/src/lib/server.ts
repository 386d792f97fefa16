// The server this page came from: where it is, what it says of itself, and how it is called.
//
// Owns the base path and the shape of a call. Must never keep a token: whoever calls hands one in.

import {signal} from '@preact/signals'

/** What `GET /api` answers, as far as the page needs it. */
export interface About {
  name: string
  version: string
  authentication: {tokenFormat: string; testToken?: string}
}

/** A call as it is shown, made and copied. */
export interface Call {
  method: string
  /** With its query, below the base. */
  path: string
  token?: string | undefined
  /** JSON, as text: what is shown is what is sent. */
  body?: string | undefined
  headers?: Record<string, string>
}

export interface Answer {
  status: number
  statusText: string
  /** The body: parsed where it is JSON, else its text. */
  body: unknown
  text: string
  headers: Headers
  /** When the request left, on the clock of `performance`. */
  sentAt: number
  /** From the request to the end of the answer, in milliseconds. */
  took: number
}

/** Where the server's paths begin: the page's scripts lie in `<base>/assets/`. */
export const base: URL = import.meta.env.DEV ? new URL('/', location.href) : new URL(/* @vite-ignore */ '..', import.meta.url)

export const about = signal<About | undefined>(undefined)

/** Whether the last attempt to reach the server failed. */
export const unreachable = signal(false)

/** The whole URL of a path of the server's. */
export function urlOf(path: string): string {
  return new URL(path.replace(/^\//, ''), base).href
}

export async function learnAbout(): Promise<void> {
  try {
    const response = await fetch(urlOf('/api'))
    about.value = (await response.json()) as About
    unreachable.value = false
  } catch {
    unreachable.value = true
    setTimeout(() => void learnAbout(), 3_000)
  }
}

export function headersOf(call: Call): Record<string, string> {
  return {
    ...(call.token ? {Authorization: `Bearer ${call.token}`} : {}),
    ...(call.body === undefined ? {} : {'Content-Type': 'application/json'}),
    ...call.headers,
  }
}

/** Makes a call. Fails only when no answer came. */
export async function make(call: Call, signal?: AbortSignal): Promise<Answer> {
  const sentAt = performance.now()
  const response = await fetch(urlOf(call.path), {
    method: call.method,
    headers: headersOf(call),
    cache: 'no-store',
    ...(call.body === undefined ? {} : {body: call.body}),
    ...(signal ? {signal} : {}),
  })
  const text = await response.text()
  const took = performance.now() - sentAt
  return {
    status: response.status,
    statusText: response.statusText,
    body: parsed(text),
    text,
    headers: response.headers,
    sentAt,
    took,
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
