import type { Principal } from '../access/principal.ts';
import type { PushTarget, Target } from '../routing/target.ts';
import type { Answer } from './answers/answer.ts';
import type { Sent } from './send-bytes.ts';

/** A request to the distribution API whose answer is over, for all that records it. */
export interface HandledRequest {
  readonly requestId: string;
  /** IP address of the client. */
  readonly client: string;
  readonly answer: Answer;
  readonly target: Target | PushTarget | undefined;
  /** Undefined where the credentials were wrong. */
  readonly principal: Principal | undefined;
  readonly sent: Sent;
}
