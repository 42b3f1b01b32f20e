-- What Django keeps in SQLite: the table as its migration makes it, and users with passwords of three hashers: bcrypt and Argon2, whose
-- passwords are "correct horse battery staple" and "password", and PBKDF2. One is switched off.
CREATE TABLE "auth_user" (
  "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL,
  "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL,
  "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL
);
INSERT INTO "auth_user" VALUES
  (1, 'bcrypt$$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS', NULL, 1, 'ada', 'Lovelace', 'ada@example.com', 1, 1, '2025-02-01 09:30:00.123456', 'Ada'),
  (2, 'argon2$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', NULL, 0, 'bo', '', 'Bo@example.com', 0, 1, '2025-03-04 12:00:00', ''),
  (3, 'pbkdf2_sha256$600000$c2FsdA$8Fvk1m7u1Wm1cWlTg1kM7Y4e8d0J6m2v3n5Qq0cJp6E=', NULL, 0, 'cy', '', 'cy@example.com', 0, 1, '2025-03-05 12:00:00', 'Cy'),
  (4, '!unusable', NULL, 0, 'di', '', 'di@example.com', 0, 0, '2025-03-06 12:00:00', 'Di'),
  (5, '!unusable', NULL, 0, 'nobody', '', '', 0, 1, '2025-03-07 12:00:00', '');
