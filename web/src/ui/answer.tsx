// Shows an answer: status, code and body, and advice on an error.

import {span} from '../lib/format'
import type {Answer} from '../lib/server'
import {Code} from './parts'

/** Advice on the most common errors. The documentation has all of them. */
const ADVICE: Record<string, string> = {
  token_missing: 'This call needs to know who calls. Choose an identity, or paste a token.',
  token_invalid: 'The server does not take this token: it is malformed, wrongly signed, or of a kind that is switched off. In production demo tokens are; ask your application for a JWT.',
  token_expired: 'This token was good once. Get a new one and paste it.',
  forbidden: 'The token is good, but its user may not do this. Without a target, publishing needs the role admin.',
  too_many_connections: 'As many streams are open as may be. Close one, or raise MAX_CONNECTIONS_PER_USER.',
  draining: 'The server is about to stop. Its successor will take the call in a moment.',
  journal_unavailable: 'The log can’t be written. Repeat the call with the same Idempotency-Key.',
  unsupported_media_type: 'Send Content-Type: application/json.',
}

export function adviceOn(code: string | undefined): string | undefined {
  return code === undefined ? undefined : ADVICE[code]
}

export function AnswerView({answer, label = 'Answer'}: {answer: Answer; label?: string}) {
  const code = (answer.body as {code?: string} | null)?.code
  const good = answer.status < 400
  const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body, null, 2)
  const advice = adviceOn(code)
  return (
    <div class="answer" role="status" data-status={answer.status}>
      <p class="line">
        <span class={`chip ${good ? 'good' : 'bad'}`}>{`${answer.status} ${answer.statusText}`.trim()}</span>
        {code && <code>{code}</code>}
        <span class="faint">{span(answer.took)}</span>
      </p>
      {!good && advice && <p class="advice">{advice}</p>}
      <Code text={body} label={label} />
    </div>
  )
}
