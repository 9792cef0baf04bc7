// What needs a person, and who did what about it.
import type { Actor } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import type { Incident } from "../../core/store.ts";
import type { Moment } from "./moment.ts";

const insertIncident = `
INSERT INTO makegood_incident (id, namespace, execution_id, code, step, error, opened_at)
SELECT ?, namespace, id, ?, ?, ?, ? FROM makegood_execution WHERE id = ?`;

export function* openIncident(id: Uint8Array, incident: Incident, moment: Moment): Script<void> {
  yield {
    sql: insertIncident,
    parameters: [moment.newId(), incident.code, incident.step, incident.error, moment.now, id],
  };
}

// Served by incident_execution.
const closeOpen = `
UPDATE makegood_incident SET closed_at = ?, closed_by = ? WHERE execution_id = ? AND closed_at IS NULL`;

export function* closeIncidents(id: Uint8Array, actor: Actor, now: number): Script<void> {
  yield { sql: closeOpen, parameters: [now, nameOf(actor), id] };
}

const insertAudit = `
INSERT INTO makegood_audit (id, namespace, execution_id, verb, actor_kind, actor_id, note, at)
SELECT ?, namespace, id, ?, ?, ?, ?, ? FROM makegood_execution WHERE id = ?`;

export function* audit(id: Uint8Array, verb: string, actor: Actor, note: string | null, moment: Moment): Script<void> {
  yield { sql: insertAudit, parameters: [moment.newId(), verb, actor.kind, actor.id, note, moment.now, id] };
}

/** As the payload, the journal and the incident name an actor. */
export const nameOf = (actor: Actor): string => `${actor.kind}:${actor.id}`;
