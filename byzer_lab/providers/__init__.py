"""Models of services, deployed like any other: each provider is an engine whose model is elsewhere.

Nothing heavy is imported, and no vendor's library.

==================  =============================================================================
``table.py``        which class speaks to which provider: one line each
``presets/``        what is known of each provider, as data: addresses, models, prices
``presets.py``      reads it
``base.py``         what all providers share as engines
``settings.py``     the parameters that all of them have, with and without the prefix ``saas.``
``http.py``         the connection: proxies, timeouts, retries, cancelling
``failures.py``     a provider's refusal as one of our errors
``events.py``       server-sent events
``vectors.py``      vectors of many texts, in the parts that a provider takes
``tools.py``        tools, answers that are to fit a schema, the calls of an answer
``kept.py``         what a provider wants back with the calls that it made
``schemas.py``      schemas as those take them that hold answers to schemas
``speech.py``       pieces and media types of sounds
``ending.py``       how an answer ended: whole, refused, cut off
``again.py``        asking again where a refusal comes inside of an answer
``aws.py``          signatures and frames of AWS
``openai_wire/``    OpenAI's wire format, which most providers speak
==================  =============================================================================

The rest are one file for each provider with a wire format of its own.
"""
