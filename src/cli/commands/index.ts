import type { Register } from '../command.ts';
import { register as capture } from './capture.ts';
import { register as chat } from './chat.ts';
import { register as claims } from './claims.ts';
import { register as compare } from './compare.ts';
import { register as emergence } from './emergence.ts';
import { register as families } from './families.ts';
import { register as info } from './info.ts';
import { register as mechanisms } from './mechanisms.ts';
import { register as scan } from './scan.ts';
import { register as stream } from './stream.ts';
import { register as train } from './train.ts';
import { register as verify } from './verify.ts';

/** All commands, in the order in which help lists them. */
export const commands: readonly Register[] = [
  scan,
  info,
  families,
  capture,
  compare,
  verify,
  stream,
  chat,
  train,
  emergence,
  mechanisms,
  claims,
];
