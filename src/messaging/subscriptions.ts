import type { MessageRef, Subscription } from "../core/outbox.ts";

export function topicsOf(subscriptions: readonly Subscription[]): readonly string[] {
  return [...new Set(subscriptions.map(({ topic }) => topic))];
}

export function subscribersOf(
  { topic }: Pick<MessageRef, "topic">,
  subscriptions: readonly Subscription[],
): ReadonlySet<string> {
  return new Set(subscriptions.filter((one) => one.topic === topic).map(({ subscriber }) => subscriber));
}
