// A list in memory of what is done, undone in reverse in the `catch`.
import type { Service } from "./job.ts";

export async function placeOrder(services: readonly Service[], id: string): Promise<"done" | "rolled back"> {
  const done: Service[] = [];
  try {
    for (const service of services) {
      await service.do(id, id);
      done.push(service);
    }
    return "done";
  } catch {
    for (const service of done.reverse()) await service.undo(id, id);
    return "rolled back";
  }
}
