// What was found, in the words of `tidings doctor`, and the report as lines that can be sent to somebody.

import {PROXIES, meaningOf, mendOf} from './proxies'

/** How bad it is. `skipped` is what could not be measured, with the reason. */
export type Level = 'ok' | 'skipped' | 'warning' | 'problem'

export interface Finding {
  check: string
  level: Level
  /** With the number that was measured. */
  message: string
  /** What it means for readers, or what to do where no proxy is to blame. */
  meaning?: string
  /** Whether lines of a proxy's configuration mend it. */
  byProxy?: boolean
}

export const ok = (check: string, message: string): Finding => ({check, level: 'ok', message})

export const skipped = (check: string, message: string): Finding => ({check, level: 'skipped', message})

export const warning = (check: string, message: string, meaning: string): Finding => ({check, level: 'warning', message, meaning})

export const problem = (check: string, message: string, meaning: string): Finding => ({check, level: 'problem', message, meaning})

/** What a proxy did; what mends it stands under the same name. */
export function trouble(check: string, message: string, level: 'warning' | 'problem' = 'problem'): Finding {
  return {check, level, message, meaning: meaningOf(check), byProxy: true}
}

/** The report as `tidings doctor` prints it. */
export function asText(findings: readonly Finding[], proxy: string): string {
  const name = PROXIES.find(({id}) => id === proxy)?.name ?? proxy
  return findings
    .flatMap(({level, check, message, meaning, byProxy}) => [
      `${level.padEnd(8)} ${check.padEnd(14)} ${message}`,
      ...(meaning ? [`  ${meaning}`] : []),
      ...(byProxy ? [`  ${name}:`, ...mendOf(check, proxy).split('\n').map((line) => `    ${line}`)] : []),
    ])
    .join('\n')
}
