// The identities with which the page calls the server: the demo users if demo tokens are accepted, no token, or a pasted token.
//
// Owns the tokens. They are only in the memory of this page: never in storage, a cookie or the address bar.

import {computed, signal} from '@preact/signals'
import {about} from './server'

export interface Identity {
  /** Identifies it in selects; never changes. */
  key: string
  /** The user's id; empty without a token. */
  user: string
  /** The text in the select. */
  label: string
  /** Absent if calls are made without a token. */
  token?: string
  admin: boolean
}

export const NOBODY: Identity = {key: 'nobody', user: '', label: 'Anonymous (no token)', admin: false}

const pasted = signal<Identity[]>([])

/** Users in addition to the test user, so that one can publish to somebody else. */
const DEMO_USERS = ['ann', 'bob']

const demo = computed<Identity[]>(() => {
  const token = about.value?.authentication.testToken
  if (!token) return []
  const test = identityOf(token)
  const others = DEMO_USERS.map((user) => identityOf(encode(`${user}:${user}:${user}@example.com:user`)))
  return [{...test, key: 'demo-admin', label: `${test.user} (admin)`}, ...others]
})

export const identities = computed<Identity[]>(() => [...demo.value, ...pasted.value, NOBODY])

/** Returns the identity with this key, or the first one if there is none. */
export function identity(key: string): Identity {
  return identities.value.find((one) => one.key === key) ?? identities.value[0] ?? NOBODY
}

/** Stores a token in memory. Returns the key of its identity. */
export function paste(token: string): string {
  const one = identityOf(token.trim().replace(/^Bearer\s+/i, ''))
  pasted.value = [...pasted.value.filter(({key}) => key !== one.key), one]
  return one.key
}

/** Reads the user and the roles from a token, without verifying it, which only the server can do. */
export function identityOf(token: string): Identity {
  const key = `token-${token}`
  const claims = claimsOf(token)
  if (claims) {
    const user = typeof claims['sub'] === 'string' ? claims['sub'] : 'unknown'
    const roles = rolesOf(claims['roles'])
    return {key, user, label: labelOf(user, roles, 'JWT'), token, admin: roles.includes('admin')}
  }
  const [user = '', name, email, roles = 'user'] = decode(token)?.split(':') ?? []
  if (user && name !== undefined && email !== undefined) {
    const list = roles.split(',')
    return {key, user, label: labelOf(user, list), token, admin: list.includes('admin')}
  }
  return {key, user: '', label: `Unreadable token …${token.slice(-6)}`, token, admin: false}
}

function labelOf(user: string, roles: string[], kind?: string): string {
  const notes = [roles.includes('admin') ? 'admin' : 'user', kind].filter(Boolean)
  return `${user} (${notes.join(', ')})`
}

function rolesOf(roles: unknown): string[] {
  if (Array.isArray(roles)) return roles.map(String)
  return typeof roles === 'string' ? roles.split(/[ ,]+/) : []
}

/** Returns the claims of a JSON Web Token, without verifying it. */
export function claimsOf(token: string): Record<string, unknown> | undefined {
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  const text = decode((parts[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>)
  } catch {
    return undefined
  }
}

function encode(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

function decode(base64: string): string | undefined {
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)))
  } catch {
    return undefined
  }
}
