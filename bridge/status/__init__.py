"""How everything stands, as values: the one function behind `trackbridge status` and whatever else shows it.

`read` asks the store and puts the report together. The texts of what a person must act on, or should know, stand by
what they are about: `destinations` (pauses, dead letters, overdue), `webhooks` (set aside), `requests` (those that were
refused, with the remedies of `refusal_remedies`), `store_state` (disk, damage, what is deleted soon), `processes`,
`nodes`, `configured`.
"""
