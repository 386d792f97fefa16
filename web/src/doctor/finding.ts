// The findings, with the same texts as those of `tidings doctor`, and the report as text.

import {PROXIES, meaningOf, fixOf} from './proxies'

/** The severity. `skipped` means that the check was not possible; the message says why. */
export type Level = 'ok' | 'skipped' | 'warning' | 'problem'

export interface Finding {
  check: string
  level: Level
  /** The sentence with the measured value. */
  message: string
  /** What the finding means for readers or, if no proxy is the cause, what to do. */
  meaning?: string
  /** Whether a proxy is the cause, so that there are lines of configuration that fix it. */
  byProxy?: boolean
}

export const ok = (check: string, message: string): Finding => ({check, level: 'ok', message})

export const skipped = (check: string, message: string): Finding => ({check, level: 'skipped', message})

export const warning = (check: string, message: string, meaning: string): Finding => ({check, level: 'warning', message, meaning})

export const problem = (check: string, message: string, meaning: string): Finding => ({check, level: 'problem', message, meaning})

/** Returns a finding that a proxy caused. Its fix is found under the name of the check. */
export function trouble(check: string, message: string, level: 'warning' | 'problem' = 'problem'): Finding {
  return {check, level, message, meaning: meaningOf(check), byProxy: true}
}

/** Returns the report as `tidings doctor` prints it. */
export function asText(findings: readonly Finding[], proxy: string): string {
  const name = PROXIES.find(({id}) => id === proxy)?.name ?? proxy
  return findings
    .flatMap(({level, check, message, meaning, byProxy}) => [
      `${level.padEnd(8)} ${check.padEnd(14)} ${message}`,
      ...(meaning ? [`  ${meaning}`] : []),
      ...(byProxy ? [`  ${name}:`, ...fixOf(check, proxy).split('\n').map((line) => `    ${line}`)] : []),
    ])
    .join('\n')
}
