// The server of this page: its address, its description, and calls to it.
//
// Owns the base path and the form of a call. Must never store a token: callers pass one.

import {signal} from '@preact/signals'

/** The part of the answer to `GET /api` that the page needs. */
export interface About {
  name: string
  version: string
  authentication: {tokenFormat: string; testToken?: string}
}

/** A call that can be shown, made and copied. */
export interface Call {
  method: string
  /** The path below the base, with its query. */
  path: string
  token?: string | undefined
  /** JSON as text, so that the shown text is exactly what is sent. */
  body?: string | undefined
  headers?: Record<string, string>
}

export interface Answer {
  status: number
  statusText: string
  /** The parsed body if it is JSON, otherwise its text. */
  body: unknown
  text: string
  headers: Headers
  /** When the request was sent, from `performance.now()`. */
  sentAt: number
  /** The time from the request to the end of the answer, in milliseconds. */
  took: number
}

/** The URL below which all paths of the server are. The scripts of the page are in `<base>/assets/`. */
export const base: URL = import.meta.env.DEV ? new URL('/', location.href) : new URL(/* @vite-ignore */ '..', import.meta.url)

export const about = signal<About | undefined>(undefined)

/** Whether the last attempt to reach the server failed. */
export const unreachable = signal(false)

/** Returns the complete URL of a path of the server. */
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

/** Makes a call. Fails only if there is no answer. */
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
